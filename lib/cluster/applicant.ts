import type { Role } from "../pki/profile.ts";
import type { RecoverableReason, RecoveringPeer } from "./admission.ts";
import type { NodeDescription } from "./node.ts";

/** The certificate that one showed who recovers. */
export type ShownCertificate = Pick<
  RecoveringPeer,
  "fingerprint" | "serial" | "notBefore" | "issuerKeyId"
>;

/** Who asked to join, or to recover, and waits for an operator's word. */
export interface Applicant {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spki: string;
  /** Id of the node that it becomes, or is again. */
  readonly nodeId: string;
  readonly role: Role;
  readonly kind: "join" | "recover";
  /** Token that it came with; absent for one that recovers. */
  readonly tokenId?: string;
  readonly description?: NodeDescription;
  readonly address: string;
  /** What is wrong with the certificate of one that recovers. */
  readonly reason?: RecoverableReason;
  /** What it showed; unknown in old records, and of one that joins. */
  readonly shown?: ShownCertificate;
  /** Why it has to wait, for people. */
  readonly why: string;
  readonly at: number;
  /** What an operator said of it. */
  readonly verdict?: "accepted" | "rejected";
}
