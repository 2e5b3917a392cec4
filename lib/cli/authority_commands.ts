import { SwarmdError } from "../base/errors.ts";
import { DAY, SECOND } from "../base/time.ts";
import { AUTHORITY, authorityWish } from "./authority_options.ts";
import { command, flag, option } from "./command.ts";
import { operatorOptions } from "./options.ts";
import { OPERATOR } from "./shared_options.ts";
import { duration, integer } from "./values.ts";

const EXITS = ["not-initialised", "unreachable", "refused"] as const;
const MAX_DEADLINE_MS = 365 * DAY;

/** Every phase that a script can meet. */
const PHASES = [
  'Phases: "renewing", every node gets a certificate under the new root; "trusting", every node is to trust the new root as well; then the new root is the only one. With --trust-first "trusting" comes before "renewing", and then "switching": the managers get theirs. After `ca abort`: "returning", every node goes back; out of "switching" by way of "recalling", every node trusts the old root again, and the workers go back. None of them: "stable".',
  'Both "done" and "total" are nodes, and begin anew with each phase; "stragglers" are those that are not done, each with a reason in plain words.',
];
/** What is written of a rotation that is watched. */
const EVENTS = [
  'With --json one object a line, whenever something changed: {"event":"phase", phase, done, total, stragglers: [{ node, reason }]}, with "alarms": [text] when there are any. When a newer rotation takes the place of the one that is watched, {"event":"replaced", by}, and that one is watched from then on.',
  'The last line is {"event":"finished", rootDigest, stragglers}, exit code 0, its stragglers being the nodes that it ended without (at the deadline, or by `ca finish`; "more" counts those beyond 10,000), or {"event":"aborted", rootDigest}, exit code 21.',
];

const caRotate = command({
  path: "ca rotate",
  summary: "replace the root of the cluster, without anyone noticing",
  description: [
    "Makes a new root, vouched for by the present one. Every node renews under it, then trusts it, then the old one is dropped. Each step waits until the manager has seen it of every node. While a rotation is under way, another one takes its place.",
    "Nodes that are off do not hold it up for ever: at the deadline it ends if the managers and the quorum of the nodes are done, a minute after it or into a phase at the latest when nodes that are well are still on their way, and the others find their way when they come back. Ctrl-C ends only the watching; see it again with `ca status --watch`.",
    "With --compromised, for a stolen key: one step, no cross-signature, no way back for what is under the old root. Every join token is void. Nodes that are connected at that moment and are known to trust the old root are carried over on their sessions, which they proved themselves for before; the others have to join again. Both are listed.",
    "With --ca-cert and --ca-key, or --external-ca, the next root is not a new one but that authority; it is tried before anything changes. Where the present root cannot vouch for the next one (its key is elsewhere, it allows no authority below it, or has the same name), --trust-first has every node trust both before any is issued a certificate under the next. Who misses it has to join again, and the join tokens are replaced when all nodes but the managers are done.",
    'Where --external-ca leads to the very authority that signs now, only its servers change, to those that are given: no rotation begins, and no node has to do anything. With --json that is {"event":"finished", rootDigest, stragglers, onlyServers}.',
    "Join tokens carry the new root from then on; those with the old one work for 7 days more.",
    "With --dry-run nothing changes. It makes all that the rotation needs, and finds what is in its way: whether the present root can vouch for the next one, whether an authority that is given is good and signs (it is asked to, and nothing of it is kept), and which nodes run a version that cannot follow. Then every connected node rehearses its renewal; where an authority elsewhere signs now, up to its request: nothing is asked of that authority, and it need not answer. It ends with exit code 17 if there is an obstacle, or a node could not follow.",
    ...PHASES,
    ...EVENTS,
    'With --json and --compromised there is one line: {"event":"finished", rootDigest, carried, left, stragglers}: carried and left are ids, and stragglers are those that are left, each with the reason. With --json and --dry-run: {ready, problems: [{ node, reason }], absent}, with "obstacle" if there is one, "target" for an authority that was given, and "onlyServers" where that is the present one. With --json and --detach: what `ca status` shows.',
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
      "Change nothing: check all that is needed, and have every connected node rehearse its renewal",
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
      line: "swarmd ca rotate --dry-run --ca-cert chain.pem --ca-key key.pem",
      help: "Whether it could",
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
  exits: [...EXITS, "rotation-aborted", "not-found", "disk", "busy"],
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
    if ((authority || trustFirst) && compromised) {
      throw new SwarmdError(
        "usage",
        "--trust-first, --ca-cert and --external-ca do not go with --compromised",
        { verdict: "stop" },
      );
    }
    if (given["dry-run"] && compromised) {
      throw new SwarmdError(
        "usage",
        "--dry-run does not go with --compromised",
        { verdict: "stop" },
      );
    }
    const options = operatorOptions(given, host);
    if (compromised) return caCutOff({ ...options, cutAll });
    const wish = { deadlineMs, quorum, trustFirst, authority };
    if (given["dry-run"]) return caRehearse({ ...options, ...wish });
    return caRotate({ ...options, ...wish, detach });
  },
});

const caStatus = command({
  path: "ca status",
  summary: "show how far the rotation of the root is",
  description: [
    "After its deadline a rotation that has not got its quorum, a minute into its phase, is an alarm, here and in `status`: who is missing, and what to do about it.",
    ...PHASES,
    'With --json and without --watch one object: phase, root, done, total and stragglers; id, target, startedAt and deadline of the rotation that is under way, null when none is; "alarms" when there are any; and lastRotation, once there was one: {id, outcome, root, at, stragglers, before}. The outcome is "finished", "aborted" or "replaced"; "before" are those that ended earlier, without their stragglers.',
    'With --watch it tells how a rotation that is under way goes, until it ends. When none is, it says so and ends: with --json by one line, the event "phase" with the phase "stable".',
    ...EVENTS,
  ],
  options: {
    watch: flag("Until it ends, as `ca rotate` does"),
    ...OPERATOR,
  },
  arguments: {},
  examples: [{ line: "swarmd ca status --watch", help: "After a Ctrl-C" }],
  exits: [...EXITS, "rotation-aborted", "not-found"],
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
    'It is possible in every phase. The key of the new root is destroyed at once; nodes that have a certificate under it get one under the old root again. Until they have, the phase is "returning", and this changes nothing any more.',
    'In "switching", the last phase of a rotation with --trust-first, join tokens pin the new root, and who joins by one trusts it alone. So the phase is "recalling" first: every such node comes to trust the old root, and the workers go back to it. Then the key of the new root is destroyed, the join tokens are replaced once more, and the managers go back, in "returning". Who pinned the new root and does not come in time has to join again.',
    "It has a deadline of its own, 24h, with the quorum that the rotation had; `ca finish` works as in every phase.",
    "With --json: what `ca status` shows.",
  ],
  options: OPERATOR,
  arguments: {},
  examples: [{ line: "swarmd ca abort", help: "Back to the root before" }],
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
    "Nodes that are down, frozen or failing are not waited for any more, and after a minute no worker is. They find their way back by themselves when they return; after a rotation with --trust-first they have to join again. Managers that are up are always waited for.",
    'It still goes through its phases ("renewing", "trusting", "switching", "recalling", "returning"), and names at its end whom it left: see `ca status`.',
    "With --json: what `ca status` shows.",
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
