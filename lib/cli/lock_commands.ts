import { command, flag, option } from "./command.ts";
import { operatorOptions } from "./options.ts";
import { OPERATOR } from "./shared_options.ts";
import { resolveUnlockKey } from "./unlock_source.ts";
import { text } from "./values.ts";

const EXITS = ["not-initialised", "unreachable", "refused", "locked"] as const;

const unlock = command({
  path: "unlock",
  summary: "unlock the manager on this machine",
  description: [
    "A manager of a cluster with autolock is locked after each start: its keys are sealed, it listens nowhere, and answers `status` and `unlock` only.",
    "The unlock key comes from --key-file, else from the file that SWARMD_UNLOCK_KEY_FILE names, else from systemd's credential swarmd-unlock-key, else from standard input when that is no terminal, else from a prompt that does not show it. A manager that finds one of the second and third at its start unlocks itself.",
  ],
  options: {
    "key-file": option(
      text("FILE"),
      "File whose first line is the unlock key; may be a pipe such as /dev/fd/3",
    ),
    ...OPERATOR,
  },
  arguments: {},
  examples: [
    { line: "swarmd unlock", help: "Asks for the key" },
    {
      line: "swarmd unlock --key-file /dev/fd/3",
      help: "From a pipe that a script has opened as 3",
    },
  ],
  exits: [...EXITS, "disk"],
  async run(given, host) {
    const unlockKey = await resolveUnlockKey(given["key-file"], host);
    const { unlock } = await import("./autolock.ts");
    return unlock({ ...operatorOptions(given, host), unlockKey });
  },
});

const unlockKey = command({
  path: "unlock-key",
  summary: "show the unlock key, or replace it",
  description: [
    "Only a running manager that is not locked can show it. With --rotate it gets a new one, and the cluster a new cluster key: every secret is sealed anew, and neither the old unlock key nor an old copy of the files opens what is there then.",
    "The new key is shown before it counts. With --json, --rotate writes two objects, one a line: { event: offered, unlockKey, version }, then { event: locked, version }.",
  ],
  options: {
    rotate: flag("Make a new one"),
    quiet: flag("The key alone", "q"),
    ...OPERATOR,
  },
  arguments: {},
  examples: [
    { line: "swarmd unlock-key", help: "The present one" },
    { line: "swarmd unlock-key --rotate", help: "When somebody has left" },
  ],
  exits: EXITS,
  async run(given, host) {
    const { unlockKey } = await import("./autolock.ts");
    const { rotate, quiet } = given;
    return unlockKey({ ...operatorOptions(given, host), rotate, quiet });
  },
});

/** The commands about the keys at rest. */
export const LOCK_COMMANDS = [unlock, unlockKey];
