import type { Role } from "../pki/profile.ts";

/**
 * A key that was let in by a token. It makes `join` idempotent: the same key
 * with the same token is the same node, however often the answer was lost.
 */
export interface RedemptionRecord {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spki: string;
  readonly tokenId: string;
  readonly role: Role;
  readonly nodeId: string;
  readonly at: number;
}
