import {
  dropRights,
  processHost,
  uncaughtFailure,
} from "./lib/cli/process_host.ts";
import { runCommandLine } from "./lib/cli/run.ts";

if (import.meta.main) {
  const host = processHost();
  const code = await Promise.race([
    runCommandLine(Deno.args, host, dropRights),
    uncaughtFailure(host),
  ]);
  await host.output.flush();
  Deno.exit(code);
}
