import type { DeniedRecord } from "./denied.ts";
import type { CertificateRecord, NodeRecord } from "./node.ts";

/** Most certificates that a worker is told of, and keeps. */
export const MAX_VOID_MANAGERS = 256;

/** A certificate with a manager's name that stands for no manager any more. */
export interface VoidCertificate {
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  /** Its own end, in milliseconds; afterwards there is nothing to say of it. */
  readonly until: number;
}

/**
 * Those of a node that is no manager (any more). It still proves with them who
 * it is until its next one comes, and towards workers it is nobody.
 */
export function voidOf(node: NodeRecord | undefined): CertificateRecord[] {
  if (!node || node.role === "manager") return [];
  const { current, pending, previous } = node.certificates;
  return [current, pending, previous].flatMap((each) =>
    each?.role === "manager" ? [each] : []
  );
}

/** What workers are told of a certificate. */
export function asVoid(
  { fingerprint, notAfter: until }: CertificateRecord,
): VoidCertificate {
  return { fingerprint, until };
}

/** What an entry of the denylist says of a manager's certificate, if it does. */
export function voidIn(
  entry: DeniedRecord | undefined,
): VoidCertificate | undefined {
  const { managerLeaf: fingerprint, until = 0 } = entry ?? {};
  return fingerprint === undefined ? undefined : { fingerprint, until };
}

/** Those that have not ended, each once, at most 256: those that end last. */
export function boundVoid(
  all: Iterable<VoidCertificate>,
  now: number,
): VoidCertificate[] {
  const each = new Map<string, VoidCertificate>();
  for (const one of all) if (one.until > now) each.set(one.fingerprint, one);
  return [...each.values()].sort(byEnd).slice(0, MAX_VOID_MANAGERS);
}

function byEnd(a: VoidCertificate, b: VoidCertificate): number {
  return b.until - a.until || (a.fingerprint < b.fingerprint ? -1 : 1);
}
