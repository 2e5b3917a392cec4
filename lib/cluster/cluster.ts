import type { SealedValue } from "../pki/sealed.ts";
import type { Role } from "../pki/profile.ts";
import type { RootHistory, RootRecord } from "./root_record.ts";

/** Shortest life that an ordinary cluster gives a leaf, in milliseconds. */
export const MIN_LEAF_LIFE_MS = 60 * 60_000;
/** Shortest life in a cluster made with `--drill`, in milliseconds. */
export const MIN_DRILL_LEAF_LIFE_MS = 10_000;
/** Longest life that may be asked for, in milliseconds; roots live 20 years. */
export const MAX_LEAF_LIFE_MS = 3_650 * 24 * 60 * 60_000;
/** Life of a leaf unless the operator says otherwise: 90 days. */
export const DEFAULT_LEAF_LIFE_MS = 90 * 24 * 60 * 60_000;
/** How long after its end a certificate brings its node back by itself: 30 days. */
export const DEFAULT_RECOVERY_WINDOW_MS = 30 * 24 * 60 * 60_000;
/** Longest such time that may be set: ten years. */
export const MAX_RECOVERY_WINDOW_MS = 3_650 * 24 * 60 * 60_000;
/** How often it does in 90 days, unless the operator says otherwise. */
export const DEFAULT_RECOVERY_LIMIT = 10;
/** Highest limit that may be set: so many are remembered of a node. */
export const MAX_RECOVERY_LIMIT = 100;
/** Period of heartbeats, in milliseconds. */
export const DEFAULT_HEARTBEAT_MS = 5_000;

/** Version of the first cluster key, which seals every secret at rest. */
export const CLUSTER_KEY_VERSION = 1;

/** A standing join token of a role. */
export interface StandingToken {
  /** Public look-up id, derived from the secret. */
  readonly id: string;
  /** Stored hash of the secret, base64, keyed into proofs; never the secret. */
  readonly key: string;
  /** The secret itself under the cluster key, so that it can be shown again. */
  readonly secret: SealedValue;
  readonly createdAt: number;
  /** Since when nobody joins with it; absent: it is good. */
  readonly disabledAt?: number;
}

/** The one record of the cluster itself. */
export interface ClusterRecord extends RootHistory {
  readonly id: string;
  readonly createdAt: number;
  /** Id of the node that the manager of this store is: no role decides that. */
  readonly ownNode: string;
  /** Made with `--drill`: short lives allowed, drill traffic on. */
  readonly drill: boolean;
  readonly leafLifeMs: number;
  readonly heartbeatMs: number;
  readonly root: RootRecord;
  readonly tokens: Readonly<Record<Role, StandingToken>>;
  /** Where workers reach the managers: `host:port`, pushed to sessions. */
  readonly managers: readonly string[];
  /** Whether joiners wait for an operator's word; absent: they do not. */
  readonly requireApproval?: boolean;
  /**
   * How long after its end a certificate still brings its node back without an
   * operator, in milliseconds; 0: never. Absent: 30 days.
   */
  readonly recoveryWindowMs?: number;
  /** How often in 90 days a node comes back so. Absent: 10. */
  readonly recoveryLimit?: number;
  /** Number of the newest revocation list, of whichever issuer. */
  readonly crlNumber?: number;
}

/** Which role a token's public id stands for. */
export function roleOfToken(
  cluster: ClusterRecord,
  tokenId: string,
): Role | undefined {
  if (cluster.tokens.worker.id === tokenId) return "worker";
  if (cluster.tokens.manager.id === tokenId) return "manager";
  return undefined;
}
