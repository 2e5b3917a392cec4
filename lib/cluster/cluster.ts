import type { SealedValue } from "../pki/sealed.ts";
import type { Role } from "../pki/profile.ts";
import type { RootHistory, RootRecord } from "./root_record.ts";

/** Shortest life that an ordinary cluster gives a leaf, in milliseconds. */
export const MIN_LEAF_LIFE_MS = 60 * 60_000;
/** Shortest life in a cluster made with `--drill`, in milliseconds. */
export const MIN_DRILL_LEAF_LIFE_MS = 10_000;
/** Life of a leaf unless the operator says otherwise: 90 days. */
export const DEFAULT_LEAF_LIFE_MS = 90 * 24 * 60 * 60_000;
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
}

/** The one record of the cluster itself. */
export interface ClusterRecord extends RootHistory {
  readonly id: string;
  readonly createdAt: number;
  /** Made with `--drill`: short lives allowed, drill traffic on. */
  readonly drill: boolean;
  readonly leafLifeMs: number;
  readonly heartbeatMs: number;
  readonly root: RootRecord;
  readonly tokens: Readonly<Record<Role, StandingToken>>;
  /** Where workers reach the managers: `host:port`, pushed to sessions. */
  readonly managers: readonly string[];
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
