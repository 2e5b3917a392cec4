import { SwarmdError } from "../base/errors.ts";
import { formatDuration } from "../base/time.ts";
import { audit } from "./audit.ts";
import {
  type ClusterRecord,
  MAX_LEAF_LIFE_MS,
  MAX_RECOVERY_LIMIT,
  MAX_RECOVERY_WINDOW_MS,
  MIN_DRILL_LEAF_LIFE_MS,
  MIN_LEAF_LIFE_MS,
} from "./cluster.ts";
import { CLUSTER, type Transaction } from "./store.ts";

/** What an operator may change of a cluster that runs. */
export type SettingChanges = {
  readonly [K in SettingName]?: ClusterRecord[K] | undefined;
};

/** Fields of the cluster's record that are settings. */
export type SettingName =
  | "requireApproval"
  | "leafLifeMs"
  | "recoveryWindowMs"
  | "recoveryLimit";

interface Setting<T> {
  /** As operators call it, and in the audit log. */
  readonly name: string;
  show(value: T): string;
  /** What is wrong with a value; `undefined`: nothing. */
  wrong?(value: T, cluster: ClusterRecord): string | undefined;
}

type Settings = {
  readonly [K in SettingName]: Setting<NonNullable<ClusterRecord[K]>>;
};

/** Every setting: a new one is a field of the record and a row here. */
const SETTINGS: Settings = {
  requireApproval: {
    name: "require-approval",
    show: (value) => value ? "on" : "off",
  },
  leafLifeMs: {
    name: "cert-expiry",
    show: formatDuration,
    wrong(value, { drill }) {
      const least = drill ? MIN_DRILL_LEAF_LIFE_MS : MIN_LEAF_LIFE_MS;
      return value >= least && value <= MAX_LEAF_LIFE_MS
        ? undefined
        : `${formatDuration(least)} to ${formatDuration(MAX_LEAF_LIFE_MS)}`;
    },
  },
  recoveryWindowMs: {
    name: "recovery-window",
    show: formatDuration,
    wrong: (value) =>
      value >= 0 && value <= MAX_RECOVERY_WINDOW_MS
        ? undefined
        : `0s to ${formatDuration(MAX_RECOVERY_WINDOW_MS)}`,
  },
  recoveryLimit: {
    name: "recovery-limit",
    show: String,
    wrong: (value) =>
      value >= 0 && value <= MAX_RECOVERY_LIMIT
        ? undefined
        : `0 to ${MAX_RECOVERY_LIMIT}`,
  },
};

/**
 * Changes settings, all of them or none. They count from the next look at the
 * record: the next certificate, the next joiner.
 *
 * @throws {SwarmdError} `precondition` naming a value that may not be
 */
export function changeSettings(
  tx: Transaction,
  { changes, by, now }: {
    readonly changes: SettingChanges;
    readonly by: string;
    /** Wall clock, in milliseconds. */
    readonly now: number;
  },
): ClusterRecord {
  const before = tx.get("cluster", CLUSTER);
  if (!before) throw new SwarmdError("not-initialised", "There is no cluster");
  const said: string[] = [];
  let after = before;
  for (const key of Object.keys(SETTINGS) as SettingName[]) {
    const value = changes[key];
    if (value === undefined || value === after[key]) continue;
    said.push(describe(key, value, after));
    after = { ...after, [key]: value };
  }
  if (after === before) return before;
  tx.put("cluster", CLUSTER, after);
  audit(tx, { at: now, action: "cluster-changed", by, why: said.join(", ") });
  return after;
}

function describe<K extends SettingName>(
  key: K,
  value: NonNullable<ClusterRecord[K]>,
  cluster: ClusterRecord,
): string {
  const { name, show, wrong } = SETTINGS[key];
  const wanted = wrong?.(value, cluster);
  if (wanted === undefined) return `${name} ${show(value)}`;
  throw new SwarmdError(
    "precondition",
    `Cannot set ${name} to ${show(value)}: want ${wanted}`,
    { verdict: "stop" },
  );
}
