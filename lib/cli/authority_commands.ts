import { SwarmdError } from "../base/errors.ts";
import { DAY, SECOND } from "../base/time.ts";
import { AUTHORITY, authorityWish } from "./authority_options.ts";
import { command, flag, option } from "./command.ts";
import { operatorOptions } from "./options.ts";
import { OPERATOR } from "./shared_options.ts";
import { duration, integer } from "./values.ts";

const EXITS = ["not-initialised", "unreachable", "refused"] as const;
const MAX_DEADLINE_MS = 365 * DAY;

const caRotate = command({
  path: "ca rotate",
  summary: "replace the root of the cluster, without anyone noticing",
  description: [
    "Makes a new root, vouched for by the present one. Every node renews under it, then trusts it, then the old one is dropped. Each step waits until the manager has seen it of every node. While a rotation is under way, another one takes its place.",
    "Nodes that are off do not hold it up for ever: at the deadline it ends if the managers and the quorum of the nodes are done, and the others find their way when they come back. Ctrl-C ends only the watching; see it again with `ca status --watch`.",
    "With --compromised, for a stolen key: one step, no cross-signature, no way back for what is under the old root. Every join token is void. Nodes that are connected at that moment are carried over on their sessions, which they proved themselves for before; the others have to join again. Both are listed.",
    "With --ca-cert and --ca-key, or --external-ca, the next root is not a new one but that authority; it is tried before anything changes. Where the present root cannot vouch for the next one (its key is elsewhere, it allows no authority below it, or has the same name), --trust-first has every node trust both before any is issued a certificate under the next. Who misses it has to join again, and the join tokens are replaced when all nodes but the managers are done.",
    "Join tokens carry the new root from then on; those with the old one work for 7 days more.",
    'With --json one object a line: {"event":"phase", phase, done, total, stragglers: [{ node, reason }]}, and at the end {"event":"finished", rootDigest, stragglers} or {"event":"aborted", rootDigest}.',
  ],
  options: {
    deadline: option(
      duration("DURATION", { min: SECOND, max: MAX_DEADLINE_MS }),
      "From then on the quorum is enough",
      { defaultText: "24h" },
    ),
    quorum: option(
      integer("PERCENT", { min: 1, max: 100 }),
      "Share of the nodes that is enough at the deadline",
      { defaultText: "90" },
    ),
    detach: flag("Begin it, and do not wait"),
    "dry-run": flag(
      "Change nothing: have every connected node rehearse its renewal under a root that is thrown away",
    ),
    compromised: flag(
      "The present key is in other hands: refuse everything under it, now",
    ),
    "cut-all": flag("With --compromised: also those who are connected"),
    "trust-first": flag(
      "For a present root that cannot vouch for the next one, as when its key is elsewhere",
    ),
    ...AUTHORITY,
    ...OPERATOR,
  },
  arguments: {},
  examples: [
    { line: "swarmd ca rotate", help: "And watch it" },
    {
      line: "swarmd ca rotate --ca-cert chain.pem --ca-key key.pem",
      help: "To a corporate authority",
    },
    {
      line: "swarmd ca rotate --compromised",
      help: "Somebody else has the key",
    },
    {
      line: "swarmd ca rotate --detach --deadline 7d",
      help: "In a week's time",
    },
  ],
  exits: [...EXITS, "rotation-aborted", "disk", "busy"],
  async run(given, host) {
    const { caRotate, caCutOff, caRehearse } = await import(
      "./rotation_commands.ts"
    );
    const { deadline: deadlineMs, quorum, detach, compromised } = given;
    const cutAll = given["cut-all"];
    if (cutAll && !compromised) {
      throw new SwarmdError("usage", "--cut-all goes with --compromised only");
    }
    const authority = authorityWish(given);
    const trustFirst = given["trust-first"];
    if ((authority || trustFirst) && (compromised || given["dry-run"])) {
      throw new SwarmdError(
        "usage",
        "--trust-first, --ca-cert and --external-ca do not go with --compromised or --dry-run",
        { verdict: "stop" },
      );
    }
    if (given["dry-run"]) return caRehearse(operatorOptions(given, host));
    if (compromised) {
      return caCutOff({ ...operatorOptions(given, host), cutAll });
    }
    const options = operatorOptions(given, host);
    const wish = { deadlineMs, quorum, detach, trustFirst, authority };
    return caRotate({ ...options, ...wish });
  },
});

const caStatus = command({
  path: "ca status",
  summary: "show how far the rotation of the root is",
  description: [
    "With --json one object: phase, root, target, done, total, stragglers, startedAt, deadline.",
  ],
  options: {
    watch: flag("Until it ends, as `ca rotate` does"),
    ...OPERATOR,
  },
  arguments: {},
  examples: [{ line: "swarmd ca status --watch", help: "After a Ctrl-C" }],
  exits: [...EXITS, "rotation-aborted"],
  async run(given, host) {
    const { caStatus } = await import("./rotation_commands.ts");
    const { watch } = given;
    return caStatus({ ...operatorOptions(given, host), watch });
  },
});

const caAbort = command({
  path: "ca abort",
  summary: "turn the rotation of the root back",
  description: [
    "The key of the new root is destroyed at once; nodes that have a certificate under it get one under the old root again.",
  ],
  options: OPERATOR,
  arguments: {},
  examples: [{ line: "swarmd ca abort", help: "In any phase" }],
  exits: EXITS,
  async run(given, host) {
    const { caStep } = await import("./rotation_commands.ts");
    return caStep("abort", operatorOptions(given, host));
  },
});

const caFinish = command({
  path: "ca finish",
  summary: "end the rotation of the root without stragglers",
  description: [
    "Nodes that are down, frozen or failing are not waited for any more, and after a minute no worker is. They find their way back by themselves when they return.",
  ],
  options: OPERATOR,
  arguments: {},
  examples: [{ line: "swarmd ca finish", help: "Before the deadline" }],
  exits: EXITS,
  async run(given, host) {
    const { caStep } = await import("./rotation_commands.ts");
    return caStep("finish", operatorOptions(given, host));
  },
});

/** The commands that change the authority of the cluster. */
export const AUTHORITY_COMMANDS = [caRotate, caStatus, caAbort, caFinish];
