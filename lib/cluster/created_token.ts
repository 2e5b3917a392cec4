import { DAY, HOUR, MINUTE } from "../base/time.ts";
import type { Role } from "../pki/profile.ts";

/** How long a created token may be good for, in milliseconds. */
export const TOKEN_LIFE = { min: MINUTE, max: 365 * DAY, default: HOUR };
/** How many nodes a created token may let in. */
export const TOKEN_USES = { min: 1, max: 100_000, default: 1 };
/** What a host name may be that a token is made for. */
export const HOST_NAME_REGEXP = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/;

/** A join token that an operator made: for a while, and for so many nodes. */
export interface CreatedToken {
  /** Public look-up id, derived from the secret. */
  readonly id: string;
  /** Hash of the secret, base64; the secret itself was shown once. */
  readonly key: string;
  readonly role: Role;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Nodes that it may still let in. */
  readonly usesLeft: number;
  /** Host name that the node must have; absent: any. */
  readonly name?: string;
  /** When an operator took it back; absent: never. */
  readonly revokedAt?: number;
}
