import { ADMISSION_COMMANDS } from "./admission_commands.ts";
import { AUTHORITY_COMMANDS } from "./authority_commands.ts";
import { AUDIT_COMMANDS } from "./audit_commands.ts";
import { CHANGING_COMMANDS } from "./changing_commands.ts";
import { CLOCK_COMMANDS } from "./clock_commands.ts";
import { CLUSTER_COMMANDS } from "./cluster_commands.ts";
import { type Command, command, several } from "./command.ts";
import { helpOn } from "./help.ts";
import { LOCK_COMMANDS } from "./lock_commands.ts";
import { RUNNING_COMMANDS } from "./running_commands.ts";
import { SHOWING_COMMANDS } from "./showing_commands.ts";
import { TOKEN_COMMANDS } from "./token_table.ts";
import { text } from "./values.ts";

const help = command({
  path: "help",
  summary: "explain a command, the exit codes or the environment",
  description: [],
  options: {},
  arguments: {
    topic: several(
      text("TOPIC"),
      "A command, a group of commands, exit-codes, or environment",
      { optional: true },
    ),
  },
  examples: [
    { line: "swarmd help worker join", help: "A command" },
    { line: "swarmd help exit-codes", help: "What the exit codes mean" },
  ],
  exits: [],
  async run(given, host) {
    await host.output.lines(helpOn(given.topic, COMMANDS));
    return 0;
  },
});

/**
 * Every command. Parsing, help, docs/cli.md and "did you mean" come from here.
 */
export const COMMANDS: readonly Command[] = [
  ...RUNNING_COMMANDS,
  ...SHOWING_COMMANDS,
  ...CHANGING_COMMANDS,
  ...ADMISSION_COMMANDS,
  ...TOKEN_COMMANDS,
  ...CLUSTER_COMMANDS,
  ...CLOCK_COMMANDS,
  ...AUDIT_COMMANDS,
  ...AUTHORITY_COMMANDS,
  ...LOCK_COMMANDS,
  help,
];
