import type { AcceptedClock } from "../cluster/local_api.ts";
import { localClient } from "./client.ts";
import type { OperatorOptions } from "./options.ts";

/** `clock accept` */
export async function clockAccept(options: OperatorOptions): Promise<number> {
  const { host, json, stateDir } = options;
  const done = await localClient(stateDir, host)
    .post<AcceptedClock>("/v1/clock/accept", {});
  const { now, expected } = done;
  if (json) await host.output.json(done);
  else {
    await host.output.lines([
      `It is ${now} from now on; ${expected} was expected`,
    ]);
  }
  return 0;
}
