import { SwarmdError } from "../base/errors.ts";
import { SECOND } from "../base/time.ts";
import {
  MAX_LEAF_LIFE_MS,
  MAX_RECOVERY_LIMIT,
  MAX_RECOVERY_WINDOW_MS,
} from "../cluster/cluster.ts";
import { command, option } from "./command.ts";
import { operatorOptions } from "./options.ts";
import { OPERATOR } from "./shared_options.ts";
import { duration, integer, onOff } from "./values.ts";

const EXITS = ["not-initialised", "unreachable", "refused", "locked"] as const;

/** The options of `cluster update`, by the names that the manager has for them. */
const SETTINGS = {
  "require-approval": {
    field: "requireApproval",
    option: option(
      onOff,
      "Whether joiners wait until an operator says `node accept`",
    ),
  },
  "cert-expiry": {
    field: "leafLifeMs",
    option: option(
      duration("DURATION", { min: SECOND, max: MAX_LEAF_LIFE_MS }),
      "How long certificates live that are issued from now on, at least 1h",
    ),
  },
  "recovery-window": {
    field: "recoveryWindowMs",
    option: option(
      duration("DURATION", { min: 0, max: MAX_RECOVERY_WINDOW_MS }),
      "How long after its end a certificate still brings its node back without an operator; 0s: never",
    ),
  },
  "recovery-limit": {
    field: "recoveryLimit",
    option: option(
      integer("COUNT", { min: 0, max: MAX_RECOVERY_LIMIT }),
      "How often in 90 days a node comes back so",
    ),
  },
} as const;

const AUTOLOCK = option(
  onOff,
  "Whether the keys on a manager's disk are sealed, and each start needs the unlock key",
);

const clusterShow = command({
  path: "cluster show",
  summary: "show the cluster and its settings",
  description: [
    "With --json one object: id, createdAt, drill, managers, certExpiryMs, requireApproval, recoveryWindowMs, recoveryLimit.",
  ],
  options: OPERATOR,
  arguments: {},
  examples: [{ line: "swarmd cluster show", help: "For people" }],
  exits: EXITS,
  async run(given, host) {
    const { clusterShow } = await import("./cluster_settings.ts");
    return clusterShow(operatorOptions(given, host));
  },
});

const clusterUpdate = command({
  path: "cluster update",
  summary: "change settings of the cluster",
  description: [
    "All that are given, or none. They count at once: for the next certificate, and the next machine that joins. Shows the settings as `cluster show` does.",
    "Autolock comes last. Turning it on shows a new unlock key, seals everything anew under a new cluster key, and gives the manager itself a new key. The unlock key is shown before it counts: with --json as { event: offered, unlockKey, version }, then { event: locked, version }.",
  ],
  options: {
    "require-approval": SETTINGS["require-approval"].option,
    "cert-expiry": SETTINGS["cert-expiry"].option,
    "recovery-window": SETTINGS["recovery-window"].option,
    "recovery-limit": SETTINGS["recovery-limit"].option,
    autolock: AUTOLOCK,
    ...OPERATOR,
  },
  arguments: {},
  examples: [
    {
      line: "swarmd cluster update --require-approval on",
      help: "Nobody gets in by a token alone",
    },
    {
      line: "swarmd cluster update --cert-expiry 30d",
      help: "Nodes get certificates of 30 days when they next renew",
    },
    {
      line: "swarmd cluster update --autolock on",
      help: "From the next start on, the manager waits for `swarmd unlock`",
    },
  ],
  exits: EXITS,
  async run(given, host) {
    const options = operatorOptions(given, host);
    const { autolock: on } = given;
    const changes = changesOf(given);
    if (Object.keys(changes).length > 0) {
      const { clusterUpdate } = await import("./cluster_settings.ts");
      await clusterUpdate({ ...options, changes });
    } else if (on === undefined) throw nothingGiven();
    if (on === undefined) return 0;
    const { setAutolock } = await import("./autolock.ts");
    return await setAutolock({ ...options, on });
  },
});

function changesOf(
  given: { readonly [K in keyof typeof SETTINGS]: unknown },
): Readonly<Record<string, unknown>> {
  const names = Object.keys(SETTINGS) as (keyof typeof SETTINGS)[];
  const wanted = names.filter((name) => given[name] !== undefined);
  return Object.fromEntries(
    wanted.map((name) => [SETTINGS[name].field, given[name]]),
  );
}

function nothingGiven(): SwarmdError {
  const names = [...Object.keys(SETTINGS), "autolock"];
  return new SwarmdError("usage", "Cannot update the cluster: want a setting", {
    verdict: "stop",
    hint: `There are ${names.map((name) => `--${name}`).join(", ")}`,
  });
}

/** The commands about the cluster as a whole. */
export const CLUSTER_COMMANDS = [clusterShow, clusterUpdate];
