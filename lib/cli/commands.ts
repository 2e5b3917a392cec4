import { CHANGING_COMMANDS } from "./changing_commands.ts";
import { type Command, command, several } from "./command.ts";
import { helpOn } from "./help.ts";
import { RUNNING_COMMANDS } from "./running_commands.ts";
import { SHOWING_COMMANDS } from "./showing_commands.ts";
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
 * Every command, in the order of help. Parsing, help, docs/cli.md and "did you
 * mean" come from here.
 */
export const COMMANDS: readonly Command[] = [
  ...RUNNING_COMMANDS,
  ...SHOWING_COMMANDS,
  ...CHANGING_COMMANDS,
  help,
];
