import { SwarmdError } from "../base/errors.ts";
import { command, flag, required, several } from "./command.ts";
import type { NodeChange } from "./node_changes.ts";
import { operatorOptions } from "./options.ts";
import { NODE_EXITS, OPERATOR } from "./shared_options.ts";
import { text } from "./values.ts";

const NODE = required(
  text("ID"),
  "A node's id, or an unambiguous beginning of it",
);

const nodeRm = command({
  path: "node rm",
  summary: "remove a node from the cluster, at once and for good",
  description: [
    "Its connections end at once, its certificates are refused from now on and denied in the revocation list, and its keys never join again. To come back, the machine needs a token; it gets a new id.",
    "A node that is ready is removed with --force only. The process on the node ends and says why; its files stay.",
  ],
  options: {
    force: flag("Also a node that is ready"),
    ...OPERATOR,
  },
  arguments: { id: NODE },
  examples: [
    { line: "swarmd node rm 3f9k", help: "A node that is gone" },
    { line: "swarmd node rm --force 3f9k", help: "One that was stolen, now" },
  ],
  exits: NODE_EXITS,
  async run(given, host) {
    const { nodeRm } = await import("./node_changes.ts");
    const { id, force } = given;
    return nodeRm({ ...operatorOptions(given, host), id, force });
  },
});

/** The commands that change one thing of one node. */
function changing(
  change: NodeChange,
  about: { readonly summary: string; readonly description: string[] },
) {
  return command({
    path: `node ${change}`,
    ...about,
    options: OPERATOR,
    arguments: { id: NODE },
    examples: [{
      line: `swarmd node ${change} 3f9k`,
      help: "By a part of its id",
    }],
    exits: NODE_EXITS,
    async run(given, host) {
      const { changeNode } = await import("./node_changes.ts");
      const { id } = given;
      return changeNode({ ...operatorOptions(given, host), id, change });
    },
  });
}

const nodeRenew = command({
  path: "node renew",
  summary: "have nodes renew their certificates now",
  description: [
    "Nodes that are not connected are named; they renew by themselves when their time comes. So are those that are suspended, or in conflict, with the reason: nothing is issued to them. Where none of the nodes could be asked, it fails. All of a fleet are asked in small batches. The manager that is asked renews by itself; --all leaves it out.",
  ],
  options: { all: flag("Every node that is connected"), ...OPERATOR },
  arguments: {
    ids: several(text("ID"), "Nodes' ids, or beginnings of them", {
      optional: true,
    }),
  },
  examples: [
    { line: "swarmd node renew 3f9k", help: "One" },
    { line: "swarmd node renew --all", help: "The fleet" },
  ],
  exits: NODE_EXITS,
  async run(given, host) {
    const { ids, all } = given;
    if (all === (ids.length > 0)) {
      throw new SwarmdError(
        "usage",
        "Cannot renew: want ids of nodes, or --all",
      );
    }
    const { nodeRenew } = await import("./node_changes.ts");
    return nodeRenew({ ...operatorOptions(given, host), ids, all });
  },
});

const leave = command({
  path: "leave",
  summary: "have the cluster remove the node on this machine",
  description: [
    "Asks the worker that runs here to leave. It ends with exit code 0, and its files stay; `worker join` with a token makes it a new node. A manager does not leave.",
  ],
  options: OPERATOR,
  arguments: {},
  examples: [{
    line: "swarmd leave",
    help: "Before the machine is given away",
  }],
  exits: ["not-initialised", "unreachable", "refused"],
  async run(given, host) {
    const { leave } = await import("./node_changes.ts");
    return leave(operatorOptions(given, host));
  },
});

const denylistLs = command({
  path: "denylist ls",
  summary: "list the certificates that are refused before their end",
  description: [
    "Those of removed nodes, and those that were replaced. Each is forgotten at its own end. Others can read them as a signed revocation list: /v1/ca/crl on a manager's port.",
  ],
  options: OPERATOR,
  arguments: {},
  examples: [{ line: "swarmd denylist ls --json", help: "For programs" }],
  exits: ["not-initialised", "unreachable", "refused"],
  async run(given, host) {
    const { denylistLs } = await import("./denylist_command.ts");
    return denylistLs(operatorOptions(given, host));
  },
});

/** The commands that an operator changes nodes with. */
export const CHANGING_COMMANDS = [
  nodeRm,
  changing("suspend", {
    summary: "freeze a node: refused until it is resumed",
    description: [
      "Its connections end at once. It keeps its identity and goes on asking, once a minute.",
      "A manager has to be demoted first; the one that is asked cannot be.",
    ],
  }),
  changing("resume", {
    summary: "let a suspended node go on",
    description: ["It is back within a minute."],
  }),
  changing("promote", {
    summary: "make a node a manager",
    description: [
      "The role counts when the node presents a certificate that says so, which it gets at once if it is connected.",
    ],
  }),
  changing("demote", {
    summary: "make a manager a worker",
    description: [
      "From this moment the node may do what workers may, whatever its certificate says.",
      "The manager that is asked cannot be demoted.",
    ],
  }),
  nodeRenew,
  denylistLs,
  leave,
];
