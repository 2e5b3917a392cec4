import { COMMANDS } from "../../../lib/cli/commands.ts";
import {
  dropRights,
  processHost,
  uncaughtFailure,
} from "../../../lib/cli/process_host.ts";

// What main.ts does around a command, with something going wrong in it.

const host = processHost();
const uncaught = uncaughtFailure(host);

switch (Deno.args[0]) {
  case "reject":
    Promise.reject(new TypeError("nobody awaits this"));
    break;
  case "throw":
    queueMicrotask(() => {
      throw new TypeError("nobody catches this");
    });
    break;
  default: {
    const command = COMMANDS.find(({ path }) => path === Deno.args[0]);
    if (command) dropRights(command);
    const { state } = await Deno.permissions.query({ name: "run" });
    await host.output.lines([state === "granted" ? "granted" : "given up"]);
    Deno.exit(0);
  }
}
const code = await uncaught;
await host.output.flush();
Deno.exit(code);
