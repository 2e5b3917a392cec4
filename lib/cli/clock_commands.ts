import { command } from "./command.ts";
import { operatorOptions } from "./options.ts";
import { OPERATOR } from "./shared_options.ts";

const clockAccept = command({
  path: "clock accept",
  summary: "take the manager's clock for right",
  description: [
    "A manager whose clock is more than an hour from where it is expected, after a start or while it runs, goes on by the time that it expects: sessions go on, nothing ends and nothing is issued. `swarmd status` says so, with both times.",
    "It comes back by itself when the clock is set right, when the clocks of most connected nodes agree with it, after a minute when it may just have been off for up to 30 days, and after a day else, as long as no connected node contradicts. Use this when you have looked at the clock yourself and it is right.",
    "With --json one object: { now, expected }.",
  ],
  options: OPERATOR,
  arguments: {},
  examples: [{
    line: "swarmd clock accept",
    help: "On the manager, after `date` shows the right time",
  }],
  exits: ["not-initialised", "unreachable", "refused", "locked"],
  async run(given, host) {
    const { clockAccept } = await import("./clock_accept.ts");
    return clockAccept(operatorOptions(given, host));
  },
});

/** The commands about the manager's clock. */
export const CLOCK_COMMANDS = [clockAccept];
