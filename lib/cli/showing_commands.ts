import { command, flag, optional, required } from "./command.ts";
import { operatorOptions } from "./options.ts";
import { OPERATOR } from "./shared_options.ts";
import { choice, text } from "./values.ts";

const nodeLs = command({
  path: "node ls",
  summary: "list the nodes of the cluster",
  description: [
    "Asks the manager that runs on this machine. SEEN is when the node last spoke, EXPIRES when its certificate ends; a column CLOCK appears when the clock of a node is off by a second or more.",
    "With --json an array of objects: id, hostname, role, status, address, version, certificate { serial, notBefore, notAfter, issuer, fingerprint256 }, trustRoot, lastSeen.",
    "With --pending and --json an array of objects: id, fingerprint, kind, state (waiting, or accepted and not back yet), role, hostname, address, token, since, why.",
  ],
  options: {
    pending: flag("Who waits for `node accept` or `node reject` instead"),
    ...OPERATOR,
  },
  arguments: {},
  examples: [
    { line: "swarmd node ls", help: "As a table" },
    { line: "swarmd node ls --pending", help: "Who waits to be let in" },
    { line: "swarmd node ls --json", help: "For programs, with everything" },
  ],
  exits: ["not-initialised", "unreachable", "refused"],
  async run(given, host) {
    const options = operatorOptions(given, host);
    if (given.pending) {
      const { pendingLs } = await import("./approval.ts");
      return pendingLs(options);
    }
    const { nodeLs } = await import("./node_commands.ts");
    return nodeLs(options);
  },
});

const nodeInspect = command({
  path: "node inspect",
  summary: "show all that is known of a node",
  description: ["Asks the manager that runs on this machine."],
  options: OPERATOR,
  arguments: {
    id: required(text("ID"), "A node's id, or an unambiguous beginning of it"),
  },
  examples: [{ line: "swarmd node inspect 3f9k", help: "By a part of its id" }],
  exits: ["not-initialised", "unreachable", "refused", "not-found"],
  async run(given, host) {
    const { nodeInspect } = await import("./node_commands.ts");
    return nodeInspect(given.id, operatorOptions(given, host));
  },
});

const tokenShow = command({
  path: "token show",
  summary: "show the join token of a role",
  description: [
    "A join token is a secret: who has it can become a node of that role.",
  ],
  options: {
    quiet: flag("The token alone", "q"),
    ...OPERATOR,
  },
  arguments: {
    role: required(
      choice("ROLE", ["worker", "manager"] as const),
      "What a node becomes that joins with it: worker or manager",
    ),
  },
  examples: [{
    line: "swarmd token show worker -q > token",
    help: "Into a file for `worker join --token-file`",
  }],
  exits: ["not-initialised", "unreachable", "refused"],
  async run(given, host) {
    const { role, quiet } = given;
    const { tokenShow } = await import("./token_commands.ts");
    return tokenShow({ ...operatorOptions(given, host), role, quiet });
  },
});

const caShow = command({
  path: "ca show",
  summary: "show the root certificate of the cluster",
  description: ["Asks the node that runs on this machine."],
  options: OPERATOR,
  arguments: {},
  examples: [{ line: "swarmd ca show", help: "Its digest, end, and PEM text" }],
  exits: ["not-initialised", "unreachable"],
  async run(given, host) {
    const { caShow } = await import("./ca_commands.ts");
    return caShow(operatorOptions(given, host));
  },
});

const certShow = command({
  path: "cert show",
  summary: "show a certificate: the node's own, or one in a file",
  description: [
    "Reads the file, so that it works without a running node. Shows what the certificate says; whether it is to be trusted is not checked.",
  ],
  options: OPERATOR,
  arguments: {
    file: optional(
      text("FILE"),
      "PEM file, the certificate first, then its chain; without it, the certificate in the state directory",
    ),
  },
  examples: [
    { line: "swarmd cert show", help: "This node's" },
    {
      line: "swarmd cert show /etc/ssl/site.pem --json",
      help: "Any other",
    },
  ],
  exits: ["not-initialised", "damaged-state", "disk", "not-found"],
  async run(given, host) {
    const { certShow } = await import("./cert_commands.ts");
    const { file, json } = given;
    if (file !== undefined) return certShow({ file, json, host });
    return certShow(operatorOptions(given, host));
  },
});

const status = command({
  path: "status",
  summary: "show how the node on this machine is doing",
  description: [
    "Its session, its certificate and when that is renewed, the last failure of a renewal, and its clock. Of a machine that is joining, whom it asks, and whether it waits for an operator.",
  ],
  options: OPERATOR,
  arguments: {},
  examples: [{ line: "swarmd status", help: "For people" }],
  exits: ["not-initialised", "unreachable"],
  async run(given, host) {
    const { showStatus } = await import("./status_command.ts");
    return showStatus(operatorOptions(given, host));
  },
});

const version = command({
  path: "version",
  summary: "show the version, and in which form the program runs",
  description: [],
  options: { json: flag("Write one JSON value to standard output") },
  arguments: {},
  examples: [{ line: "swarmd version", help: "For people" }],
  exits: [],
  async run(given, host) {
    const { showVersion } = await import("./version_command.ts");
    return showVersion({ json: given.json, host });
  },
});

/** The commands that show something and end. */
export const SHOWING_COMMANDS = [
  nodeLs,
  nodeInspect,
  tokenShow,
  caShow,
  certShow,
  status,
  version,
];
