import { formatDuration } from "../base/time.ts";
import type { ClusterSummary } from "../cluster/local_api.ts";
import { localClient } from "./client.ts";
import { moment } from "./describe.ts";
import type { OperatorOptions } from "./options.ts";
import { formatFacts } from "./output.ts";

/** `cluster show` */
export async function clusterShow(options: OperatorOptions): Promise<number> {
  const { host, stateDir } = options;
  const client = localClient(stateDir, host);
  return await tell(options, await client.get<ClusterSummary>("/v1/cluster"));
}

/** `cluster update` */
export async function clusterUpdate(
  { changes, ...options }: OperatorOptions & {
    /** By the names of the settings, as POST /v1/cluster/update takes them. */
    readonly changes: Readonly<Record<string, unknown>>;
  },
): Promise<number> {
  const { host, stateDir } = options;
  const after = await localClient(stateDir, host)
    .post<ClusterSummary>("/v1/cluster/update", changes);
  return await tell(options, after);
}

async function tell(
  { json, host }: OperatorOptions,
  cluster: ClusterSummary,
): Promise<number> {
  if (json) await host.output.json(cluster);
  else await host.output.lines(clusterFacts(cluster, host.now()));
  return 0;
}

function clusterFacts(cluster: ClusterSummary, now: number): string[] {
  return formatFacts([
    ["cluster", cluster.id],
    ["created", moment(cluster.createdAt, now)],
    ["drill", cluster.drill ? "yes" : "no"],
    ["managers", cluster.managers.join(", ") || "-"],
    ["cert-expiry", formatDuration(cluster.certExpiryMs)],
    ["require-approval", cluster.requireApproval ? "on" : "off"],
    ["recovery-window", windowOf(cluster)],
    ["recovery-limit", `${cluster.recoveryLimit} in 90d`],
  ]);
}

function windowOf({ recoveryWindowMs }: ClusterSummary): string {
  return recoveryWindowMs === 0 ? "off" : formatDuration(recoveryWindowMs);
}
