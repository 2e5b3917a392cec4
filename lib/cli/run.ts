import type { Command, Host } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { exitNumber } from "./exit_codes.ts";
import { reportFailure } from "./failure.ts";
import { helpOn, overview } from "./help.ts";
import { type Invocation, parseCommandLine } from "./parse.ts";

/** What the program does before it runs a command. */
export type BeforeRun = (command: Command) => void;

/**
 * Runs a command line and gives its exit code. Never throws: whatever goes
 * wrong is told on standard error.
 *
 * @param before called when the command line was understood
 */
export async function runCommandLine(
  argv: readonly string[],
  host: Host,
  before: BeforeRun = () => {},
): Promise<number> {
  let debug = host.env("SWARMD_LOG_LEVEL") === "debug";
  try {
    const invocation = parseCommandLine(argv, COMMANDS);
    if (invocation.kind !== "command") return await showHelp(invocation, host);
    const { command, raw } = invocation;
    debug ||= raw.options["log-level"]?.[0] === "debug";
    const run = command.prepare(raw);
    before(command);
    return await run(host);
  } catch (error) {
    return reportFailure(error, host.output, { debug });
  }
}

async function showHelp(
  invocation: Exclude<Invocation, { kind: "command" }>,
  { output }: Host,
): Promise<number> {
  if (invocation.kind === "help") {
    await output.lines(helpOn(invocation.topic, COMMANDS));
    return exitNumber("ok");
  }
  output.aside(overview(COMMANDS));
  return exitNumber("usage");
}
