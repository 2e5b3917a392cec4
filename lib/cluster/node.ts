import type { Role } from "../pki/profile.ts";

/** What the store knows of one certificate (trust.md §1). */
export interface CertificateRecord {
  /** SHA-256 of the DER, lower-case hex: what a caller is recognised by. */
  readonly fingerprint: string;
  /** Lower-case hex, for people and for the denylist. */
  readonly serial: string;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spki: string;
  /** Subject key id of the issuer, lower-case hex. */
  readonly issuerKeyId: string;
  /** Subject of the issuer, for people. */
  readonly issuer: string;
  readonly role: Role;
  /** When it was signed, in milliseconds; `notBefore` is earlier. */
  readonly issuedAt: number;
  readonly notBefore: number;
  readonly notAfter: number;
  /**
   * Leaf first, then its intermediates, base64 DER. The chain belongs to the
   * leaf: a later phase of the cluster never changes what it is sent with.
   * Absent in `previous`.
   */
  readonly chain?: readonly string[];
}

/** A previous certificate still accepted while connections move off it. */
export interface PreviousCertificate extends CertificateRecord {
  /** End of the overlap, in milliseconds. */
  readonly until: number;
}

/** The certificates of a node. Accepted are exactly these, by fingerprint. */
export interface NodeCertificates {
  readonly current?: CertificateRecord;
  readonly pending?: CertificateRecord;
  readonly previous?: PreviousCertificate;
}

/** What a node said of itself at its last `node.register`. */
export interface NodeDescription {
  readonly hostname: string;
  readonly os: string;
  readonly arch: string;
  readonly version: string;
}

/** Two machines that use one identity. */
export interface Conflict {
  /** When that was proved, in milliseconds. */
  readonly at: number;
  /** Remote addresses: of the one that came last, then of the other. */
  readonly addresses: readonly string[];
}

/** A node as the cluster knows it; the authority on its role and identity. */
export interface NodeRecord {
  readonly id: string;
  readonly role: Role;
  /** `active` unless an operator froze it or two machines fight over it. */
  readonly admission: "active" | "suspended" | "conflict";
  /** Of a node in `conflict`; unknown in old records. */
  readonly conflict?: Conflict;
  readonly createdAt: number;
  /** Id of the token that let it in; absent for the first manager. */
  readonly tokenId?: string;
  /** An operator said so as well. */
  readonly approved?: true;
  readonly certificates: NodeCertificates;
  readonly description?: NodeDescription;
  /** Remote address of its newest session. */
  readonly address?: string;
  /** First time it presented an issued certificate; absent: never seen. */
  readonly firstSeen?: number;
  /**
   * When it was seen last, of a node that is gone for a minute or longer;
   * absent while it is here, and when its manager ended before it could tell.
   */
  readonly absentSince?: number;
  /**
   * Digest of the trust bundle that its last `hello` named. Absent from the
   * moment on at which it is sent another bundle, until it says so again.
   */
  readonly trusts?: string;
  /** Of a manager: the last time that its clock was trusted, noted now and then. */
  readonly trustedTime?: number;
  /** An operator wants it to have another certificate, once. */
  readonly renewalWanted?: true;
  /** When it came back with a certificate that had ended; the newest last. */
  readonly recoveries?: readonly number[];
}

/**
 * Which of a node's certificates a fingerprint is, at a moment.
 *
 * @returns `undefined` when it is none that is accepted then
 */
export function acceptedAs(
  node: NodeRecord,
  { fingerprint, now }: { readonly fingerprint: string; readonly now: number },
): "current" | "pending" | "previous" | undefined {
  const { current, pending, previous } = node.certificates;
  if (current?.fingerprint === fingerprint) return "current";
  if (pending?.fingerprint === fingerprint) return "pending";
  if (previous?.fingerprint === fingerprint && now < previous.until) {
    return "previous";
  }
  return undefined;
}

/** Longest overlap of an old and a new certificate, in milliseconds. */
const MAX_OVERLAP_MS = 5 * 60_000;
/** Shortest, so that a session has the time to move. */
const MIN_OVERLAP_MS = 3_000;

/** How long a replaced certificate is still accepted: 5 min, at most a tenth of its life, at least 3 s. */
function overlapMs(
  certificate: Pick<CertificateRecord, "issuedAt" | "notAfter">,
): number {
  const tenth = (certificate.notAfter - certificate.issuedAt) / 10;
  return Math.max(MIN_OVERLAP_MS, Math.min(MAX_OVERLAP_MS, tenth));
}

/** A certificate that stopped being accepted, for the denylist. */
export interface Superseded {
  readonly serial: string;
  readonly issuerKeyId: string;
  readonly notAfter: number;
  readonly role?: Role;
  readonly fingerprint?: string;
}

/**
 * Takes a newly issued certificate into a record, replacing an unused one. What
 * an operator wanted is fulfilled with it.
 */
export function withPending(
  { renewalWanted: _, ...node }: NodeRecord,
  issued: CertificateRecord,
): NodeRecord {
  return {
    ...node,
    certificates: { ...node.certificates, pending: issued },
  };
}

/**
 * A connection presented `pending`: it becomes `current`, what was current
 * stays accepted for the overlap, what was previous is given up.
 */
export function promotePending(
  node: NodeRecord,
  now: number,
): { readonly node: NodeRecord; readonly superseded?: Superseded } {
  const { current, pending, previous } = node.certificates;
  if (!pending) return { node };
  const certificates: NodeCertificates = current
    ? { current: pending, previous: asPrevious(current, now) }
    : { current: pending };
  const next = { ...node, firstSeen: node.firstSeen ?? now, certificates };
  return previous ? { node: next, superseded: previous } : { node: next };
}

/** Gives up a previous certificate whose overlap is over. */
export function dropPrevious(
  node: NodeRecord,
  now: number,
): { readonly node: NodeRecord; readonly superseded?: Superseded } {
  const { previous, ...rest } = node.certificates;
  if (!previous || now < previous.until) return { node };
  return { node: { ...node, certificates: rest }, superseded: previous };
}

function asPrevious(
  current: CertificateRecord,
  now: number,
): PreviousCertificate {
  const { chain: _, ...rest } = current;
  const until = Math.min(now + overlapMs(current), current.notAfter);
  return { ...rest, until };
}
