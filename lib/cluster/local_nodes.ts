import type { Role } from "../pki/profile.ts";

// What the operator is shown of nodes; how it is written is in local_api.ts.

/** A certificate, in short. */
export interface CertificateSummary {
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** Subject of the issuer, for people. */
  readonly issuer: string;
  /** SHA-256 of the DER. */
  readonly fingerprint256: string;
}

/** All that the store knows of a certificate. */
export interface CertificateDetail extends CertificateSummary {
  /** SHA-256 of its key (SubjectPublicKeyInfo). */
  readonly keyFingerprint256: string;
  /** Subject key id of the issuer. */
  readonly issuerKeyId: string;
  readonly role: Role;
  /** When it was signed; `notBefore` is earlier. */
  readonly issuedAt: string;
  /** Leaf first, then what is sent with it, DER in base64. */
  readonly chain?: readonly string[];
}

/** A signed head of the audit log: the hash of an entry, see docs/trust.md. */
export interface HeadSummary {
  readonly sequence: number;
  readonly hash: string;
  readonly at: string;
  /** Id of the manager's node. */
  readonly manager: string;
  /** DER, base64. */
  readonly certificate: string;
  readonly signature: string;
}

/**
 * How the cluster sees a node. `joining`: was issued a certificate, not seen
 * yet; `unknown`: the manager has just started and has not heard of it yet.
 */
export type NodeStatus =
  | "joining"
  | "ready"
  | "unknown"
  | "down"
  | "suspended"
  | "conflict";

/** Two machines that use one identity. */
export interface ConflictSummary {
  readonly since: string;
  /** Remote addresses: of the one that came last, then of the other. */
  readonly addresses: readonly string[];
}

/** A line of `node ls`. Texts that the node has not told yet are empty. */
export interface NodeSummary {
  readonly id: string;
  readonly hostname: string;
  readonly role: Role;
  readonly status: NodeStatus;
  /** Remote address of its newest session. */
  readonly address: string;
  readonly version: string;
  readonly certificate: CertificateSummary;
  /** Digest of the newest root that it trusts. */
  readonly trustRoot: string;
  /** Null where it is not known: never, or before this manager started. */
  readonly lastSeen: string | null;
  /**
   * Since when a node that is `down` has not been seen: at the latest since
   * the manager started.
   */
  readonly downSince?: string;
  /** Why its last renewal failed, as it says. */
  readonly problem?: string;
  /** Of a node in `conflict`. */
  readonly conflict?: ConflictSummary;
  /** How far its clock is ahead of the manager's, where that is known. */
  readonly clockSkewMs?: number;
}

/** How a node was let in. */
export interface AdmissionSummary {
  readonly by: "init" | "token";
  /** Public id of the token. */
  readonly token?: string;
  /** An operator accepted it. */
  readonly approved?: true;
}

/** What `node inspect` shows: the whole record, and how the node does. */
export interface NodeDetail extends NodeSummary {
  readonly os: string;
  readonly arch: string;
  readonly createdAt: string;
  /** When it first presented a certificate; absent: never. */
  readonly firstSeen?: string;
  /** Whether it may do anything. */
  readonly admission: "active" | "suspended" | "conflict";
  readonly admitted: AdmissionSummary;
  /** Digest of the trust bundle that it said it trusts; null: none of ours. */
  readonly trusts: string | null;
  /** When it came back with a certificate that had ended; the newest last. */
  readonly recoveries: readonly string[];
  /** Head of the audit log that the node keeps, as it says in its session. */
  readonly auditHead?: HeadSummary;
  /** The one that it was seen with, or else the one that it was issued. */
  readonly certificate: CertificateDetail;
  /** Issued and not presented yet. */
  readonly pending?: CertificateDetail;
  /** Replaced and still accepted, until then. */
  readonly previous?: CertificateDetail & { readonly until: string };
}
