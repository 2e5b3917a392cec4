import { SwarmdError } from "../base/errors.ts";
import { formatDuration } from "../base/time.ts";
import type { NodeDetail, NodeSummary } from "../cluster/local_api.ts";
import {
  certificateFacts,
  describeSkew,
  moment,
  relativeTime,
} from "./describe.ts";
import { localClient } from "./client.ts";
import type { OperatorOptions } from "./options.ts";
import { formatFacts, formatTable } from "./output.ts";

/** Skews below this are not worth a column, in milliseconds. */
const SHOWN_SKEW_MS = 1_000;
const ID_PREFIX_REGEXP = /^[0-9a-z]{1,25}$/;

/** `node ls` */
export async function nodeLs(options: OperatorOptions): Promise<number> {
  const { host, stateDir } = options;
  const nodes = await localClient(stateDir, host).get<NodeSummary[]>(
    "/v1/nodes",
  );
  if (options.json) await host.output.json(nodes);
  else await host.output.lines(nodeTable(nodes, host.now()));
  return 0;
}

/** `node inspect` */
export async function nodeInspect(
  id: string,
  options: OperatorOptions,
): Promise<number> {
  if (!ID_PREFIX_REGEXP.test(id)) {
    throw new SwarmdError(
      "usage",
      `Cannot look up node "${id}": want its id, or the beginning of it, of digits and lower-case letters`,
      { verdict: "stop", hint: "`swarmd node ls` shows the ids" },
    );
  }
  const { host, stateDir } = options;
  const node = await localClient(stateDir, host).get<NodeDetail>(
    `/v1/nodes/${id}`,
  );
  if (options.json) await host.output.json(node);
  else await host.output.lines(nodeFacts(node, host.now()));
  return 0;
}

/** The table of `node ls`: 80 columns for host names of up to 12 characters. */
function nodeTable(
  nodes: readonly NodeSummary[],
  now: number,
): string[] {
  const skewed = nodes.some((node) =>
    Math.abs(node.clockSkewMs ?? 0) >= SHOWN_SKEW_MS
  );
  const heading = ["ID", "HOSTNAME", "ROLE", "STATUS", "SEEN", "EXPIRES"];
  return formatTable(
    skewed ? [...heading, "CLOCK"] : heading,
    nodes.map((node) => [
      node.id,
      node.hostname || "-",
      node.role,
      node.status,
      node.lastSeen === null ? "never" : relativeTime(node.lastSeen, now),
      relativeTime(node.certificate.notAfter, now),
      ...(skewed ? [shortSkew(node.clockSkewMs)] : []),
    ]),
  );
}

function shortSkew(skewMs: number | undefined): string {
  if (skewMs === undefined) return "-";
  return skewMs < 0 ? formatDuration(skewMs) : `+${formatDuration(skewMs)}`;
}

function nodeFacts(node: NodeDetail, now: number): string[] {
  return formatFacts([
    ["id", node.id],
    ["hostname", node.hostname || "-"],
    ["role", node.role],
    ["status", node.status],
    ["address", node.address || "-"],
    ["platform", `${node.os} ${node.arch}`.trim() || "-"],
    ["version", node.version || "-"],
    ["created", moment(node.createdAt, now)],
    [
      "last seen",
      node.lastSeen === null ? "never" : moment(node.lastSeen, now),
    ],
    ...(node.clockSkewMs === undefined
      ? []
      : [["clock", describeSkew(node.clockSkewMs)] as const]),
    ["trust root", node.trustRoot || "-"],
    ...certificateFacts(node.certificate, now),
    ...(node.pending ? [["pending", node.pending.serial] as const] : []),
    ...(node.previous
      ? [
        [
          "previous",
          `${node.previous.serial}, accepted until ${
            moment(node.previous.until, now)
          }`,
        ] as const,
      ]
      : []),
  ]);
}
