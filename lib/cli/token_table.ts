import { TOKEN_LIFE, TOKEN_USES } from "../cluster/created_token.ts";
import { command, flag, option, required } from "./command.ts";
import { operatorOptions } from "./options.ts";
import { OPERATOR } from "./shared_options.ts";
import { choice, duration, hostName, integer, text } from "./values.ts";

const ROLE_VALUE = choice("ROLE", ["worker", "manager"] as const);
const ROLE = required(ROLE_VALUE, "Whose token it is: worker or manager");
const QUIET = flag("The token alone", "q");
const EXITS = ["not-initialised", "unreachable", "refused"] as const;

const tokenCreate = command({
  path: "token create",
  summary: "make a join token for a while, and for so many nodes",
  description: [
    "Beside the standing tokens. It is shown this once: the cluster keeps a hash of it. Each key that joins takes one use, however often its answer was lost; a node that is removed gives none back.",
    "With --json one object: id, token, role, expiresAt, usesLeft and, if it was given, name.",
  ],
  options: {
    role: option(ROLE_VALUE, "What a node becomes that joins with it", {
      defaultText: "worker",
    }),
    ttl: option(
      duration("DURATION", TOKEN_LIFE),
      "How long it is good for, 1m to 365d",
      { defaultText: "1h" },
    ),
    uses: option(
      integer("N", TOKEN_USES),
      "How many nodes it lets in",
      { defaultText: "1" },
    ),
    name: option(hostName, "Host name that the machine must have", {
      defaultText: "any",
    }),
    quiet: QUIET,
    ...OPERATOR,
  },
  arguments: {},
  examples: [
    {
      line: "swarmd token create --role worker --name edge-7",
      help: "For one machine, in the next hour",
    },
    {
      line: "swarmd token create --role worker --ttl 1d --uses 200 -q",
      help: "For a site that is set up today",
    },
  ],
  exits: EXITS,
  async run(given, host) {
    const { role = "worker", name, quiet } = given;
    const { ttl: lifeMs = TOKEN_LIFE.default } = given;
    const { uses = TOKEN_USES.default } = given;
    const order = { role, lifeMs, uses, name, quiet };
    const { tokenCreate } = await import("./token_changes.ts");
    return tokenCreate({ ...operatorOptions(given, host), ...order });
  },
});

const tokenLs = command({
  path: "token ls",
  summary: "list the join tokens, without their secrets",
  description: [
    "The standing ones first, then those that were created, the newest first; these are forgotten a day after their end.",
    "With --json an array of objects: id, kind, role, state (active, disabled, revoked, expired or used-up), createdAt and, of a created one, expiresAt, usesLeft and name.",
  ],
  options: OPERATOR,
  arguments: {},
  examples: [{ line: "swarmd token ls", help: "As a table" }],
  exits: EXITS,
  async run(given, host) {
    const { tokenLs } = await import("./token_changes.ts");
    return tokenLs(operatorOptions(given, host));
  },
});

const tokenRotate = command({
  path: "token rotate",
  summary: "replace the standing token of a role",
  description: [
    "The old one is void at once. Nodes that have joined stay in. Whoever waits for approval by it is rejected. Also enables a standing token that was disabled.",
  ],
  options: { quiet: QUIET, ...OPERATOR },
  arguments: { role: ROLE },
  examples: [{
    line: "swarmd token rotate worker",
    help: "After the old one was seen by somebody",
  }],
  exits: EXITS,
  async run(given, host) {
    const { role, quiet } = given;
    const { tokenRotate } = await import("./token_changes.ts");
    return tokenRotate({ ...operatorOptions(given, host), role, quiet });
  },
});

const tokenDisable = command({
  path: "token disable",
  summary: "do without the standing token of a role",
  description: [
    "Nobody joins with it any more, and whoever waits by it is rejected. Created tokens go on. `token rotate` makes a new one.",
  ],
  options: OPERATOR,
  arguments: { role: ROLE },
  examples: [{
    line: "swarmd token disable manager",
    help: "Managers join with created tokens only",
  }],
  exits: EXITS,
  async run(given, host) {
    const { role } = given;
    const { tokenDisable } = await import("./token_changes.ts");
    return tokenDisable({ ...operatorOptions(given, host), role });
  },
});

const tokenRevoke = command({
  path: "token revoke",
  summary: "take a created token back",
  description: [
    "Nobody joins with it any more, and whoever waits by it is rejected. Nodes that have joined stay in.",
  ],
  options: OPERATOR,
  arguments: {
    id: required(text("ID"), "A token's id, or an unambiguous beginning of it"),
  },
  examples: [{ line: "swarmd token revoke 1x4t", help: "By a part of its id" }],
  exits: [...EXITS, "not-found"],
  async run(given, host) {
    const { id } = given;
    const { tokenRevoke } = await import("./token_changes.ts");
    return tokenRevoke({ ...operatorOptions(given, host), id });
  },
});

/** The commands that make and end join tokens. */
export const TOKEN_COMMANDS = [
  tokenCreate,
  tokenLs,
  tokenRotate,
  tokenDisable,
  tokenRevoke,
];
