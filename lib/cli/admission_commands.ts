import { SwarmdError } from "../base/errors.ts";
import type { Approval } from "./approval.ts";
import { command, flag, option, optional, required } from "./command.ts";
import { operatorOptions } from "./options.ts";
import { NODE_EXITS, OPERATOR } from "./shared_options.ts";
import { keyFingerprint, text } from "./values.ts";

const FINGERPRINT = option(
  keyFingerprint,
  "Only if its key begins so: at least 8 hex digits, as the machine itself shows them",
);
const ID = "An id, or an unambiguous beginning of it";

function example(word: Approval) {
  return {
    line: `swarmd node ${word} 3f9k --fingerprint 1f8a0c6b44de2277`,
    help: "The machine that shows this key, and no other",
  };
}

const nodeAccept = command({
  path: "node accept",
  summary: "let in a machine that waits for approval",
  description: [
    "It has its certificate within half a minute. Compare the key's fingerprint with what the machine itself shows, or give it here. `swarmd node ls --pending` shows who waits.",
    "Also lets a node go on that is in conflict, because two machines used its identity: first see that only one is left.",
    "A node that waits to recover gets its id back, and whoever else uses its identity is cut off. After the manager's store was restored from a backup, --newer-than-store lets in every node that renewed since that backup: its certificate is newer than any that the store knows, and was not replaced. Whoever else waits to recover is listed as left over, also where several keys wait for one node: compare the key with what the machine shows, and accept it by id and --fingerprint.",
  ],
  options: {
    fingerprint: FINGERPRINT,
    "newer-than-store": flag(
      "Every node whose certificate is newer than what a restored store knows",
    ),
    ...OPERATOR,
  },
  arguments: { id: optional(text("ID"), ID) },
  examples: [
    example("accept"),
    {
      line: "swarmd node accept --newer-than-store",
      help: "After the store was restored",
    },
  ],
  exits: NODE_EXITS,
  async run(given, host) {
    const { acceptNewer, decideOn } = await import("./approval.ts");
    const { id, fingerprint, "newer-than-store": newer } = given;
    const options = operatorOptions(given, host);
    if (newer && id === undefined && fingerprint === undefined) {
      return acceptNewer(options);
    }
    if (newer || id === undefined) {
      throw new SwarmdError(
        "usage",
        "Cannot accept: want an id, or --newer-than-store alone",
      );
    }
    return decideOn({ ...options, word: "accept", id, fingerprint });
  },
});

const nodeReject = command({
  path: "node reject",
  summary: "turn away a machine that waits for approval",
  description: [
    "It is told so and ends. Its key is not used again; to end its token as well, use `token revoke` or `token rotate`.",
  ],
  options: { fingerprint: FINGERPRINT, ...OPERATOR },
  arguments: { id: required(text("ID"), ID) },
  examples: [example("reject")],
  exits: NODE_EXITS,
  async run(given, host) {
    const { decideOn } = await import("./approval.ts");
    const { id, fingerprint } = given;
    const said = { word: "reject", id, fingerprint } as const;
    return decideOn({ ...operatorOptions(given, host), ...said });
  },
});

/** The commands that decide on who waits. */
export const ADMISSION_COMMANDS = [nodeAccept, nodeReject];
