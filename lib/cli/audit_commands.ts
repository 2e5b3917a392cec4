import { command, flag, option } from "./command.ts";
import { operatorOptions } from "./options.ts";
import { OPERATOR } from "./shared_options.ts";
import { integer, text } from "./values.ts";

/** Most entries that `audit tail` begins with. */
const MAX_TAIL = 1_000_000;
const EXITS = [
  "not-initialised",
  "damaged-state",
  "unreachable",
  "refused",
] as const;

const auditTail = command({
  path: "audit tail",
  summary: "show the newest entries of the audit log",
  description: [
    "Every trust decision of the manager: what, about which node, asked by whom, and why. With --json each entry is one object a line, with its time in milliseconds, just as its hash is made of it.",
  ],
  options: {
    number: {
      ...option(
        integer("N", { min: 1, max: MAX_TAIL }),
        "How many entries",
        { defaultText: "20" },
      ),
      short: "n",
    },
    follow: flag("Go on with what comes, until interrupted", "f"),
    ...OPERATOR,
  },
  arguments: {},
  examples: [
    { line: "swarmd audit tail -n 50", help: "What happened last" },
    { line: "swarmd audit tail --follow --json", help: "For programs" },
  ],
  exits: EXITS,
  async run(given, host) {
    const { auditTail } = await import("./audit_log.ts");
    const { number = 20, follow } = given;
    return auditTail({ ...operatorOptions(given, host), number, follow });
  },
});

const auditVerify = command({
  path: "audit verify",
  summary: "check that no entry of the audit log was changed",
  description: [
    "Follows the chain of hashes through the whole log, and checks the newest head that the manager signed. An entry that was changed, inserted, moved or removed breaks the chain, and the first break is shown.",
    "Whoever has the manager's disk and its key can write the end of the log anew, hashes and signature included. So compare with what the manager cannot change: --against NODE takes the head that a connected node keeps, --against FILE those in what `audit export` or, on a node, `status --json` wrote.",
  ],
  options: {
    against: option(
      text("FILE|NODE"),
      "A file with entries or heads, or a connected node",
    ),
    ...OPERATOR,
  },
  arguments: {},
  examples: [
    { line: "swarmd audit verify", help: "The log in itself" },
    {
      line: "swarmd audit verify --against 3f9k",
      help: "And with what a node keeps",
    },
    {
      line: "swarmd audit verify --against heads.json",
      help: "And with what was exported before",
    },
  ],
  exits: [...EXITS, "not-found", "unverified", "audit-broken"],
  async run(given, host) {
    const { auditVerify } = await import("./audit_verify.ts");
    const { against } = given;
    return auditVerify({
      ...operatorOptions(given, host),
      ...(against !== undefined && { against }),
    });
  },
});

const auditExport = command({
  path: "audit export",
  summary: "write the audit log as JSON lines",
  description: [
    "One entry a line, oldest first, just as its hash is made of it. Keep the file elsewhere: `audit verify --against` compares with it.",
  ],
  options: {
    heads: flag("Only the newest signed head, in one line"),
    ...OPERATOR,
  },
  arguments: {},
  examples: [
    { line: "swarmd audit export > audit.jsonl", help: "All of it" },
    { line: "swarmd audit export --heads > head.json", help: "From a timer" },
  ],
  exits: EXITS,
  async run(given, host) {
    const { auditExport } = await import("./audit_log.ts");
    const { heads } = given;
    return auditExport({ ...operatorOptions(given, host), heads });
  },
});

/** The commands that look at the audit log. */
export const AUDIT_COMMANDS = [auditTail, auditVerify, auditExport];
