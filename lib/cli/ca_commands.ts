import type { CaSummary } from "../cluster/local_api.ts";
import { localClient } from "./client.ts";
import { moment } from "./describe.ts";
import type { OperatorOptions } from "./options.ts";
import { formatFacts } from "./output.ts";

/** `ca show` */
export async function caShow(options: OperatorOptions): Promise<number> {
  const { host, stateDir } = options;
  const ca = await localClient(stateDir, host).get<CaSummary>("/v1/ca");
  if (options.json) await host.output.json(ca);
  else await host.output.lines(caLines(ca, host.now()));
  return 0;
}

/** Facts, then the PEM text; programs that read PEM skip what is before it. */
function caLines(ca: CaSummary, now: number): string[] {
  const facts = formatFacts([
    ["root", ca.rootDigest],
    ...(ca.generation === undefined
      ? []
      : [["generation", String(ca.generation)] as const]),
    ["not after", moment(ca.notAfter, now)],
  ]);
  return [...facts, "", ...ca.pem.trimEnd().split("\n")];
}
