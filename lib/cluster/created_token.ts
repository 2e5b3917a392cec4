import type { Role } from "../pki/profile.ts";

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
}
