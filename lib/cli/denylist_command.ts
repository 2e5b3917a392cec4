import type { DeniedSummary } from "../cluster/local_api.ts";
import { localClient } from "./client.ts";
import { moment } from "./describe.ts";
import type { OperatorOptions } from "./options.ts";
import { formatTable } from "./output.ts";

/** `denylist ls` */
export async function denylistLs(options: OperatorOptions): Promise<number> {
  const { host, stateDir, json } = options;
  const denied = await localClient(stateDir, host)
    .get<DeniedSummary[]>("/v1/denylist");
  if (json) await host.output.json(denied);
  else await host.output.lines(tableOf(denied, host.now()));
  return 0;
}

function tableOf(denied: readonly DeniedSummary[], now: number): string[] {
  return formatTable(
    ["SERIAL", "NODE", "WHY", "UNTIL"],
    denied.map(({ serial, node, reason, until }) => [
      serial,
      node,
      reason,
      moment(until, now),
    ]),
  );
}
