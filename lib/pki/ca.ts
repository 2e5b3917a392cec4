import type { Certificate } from "./certificate.ts";

/** Why a certificate may not sign others, whatever the date. */
export interface CaProblem {
  readonly reason: "version" | "not-a-ca" | "unknown-critical";
  /** The rest of a sentence about the certificate. */
  readonly detail: string;
}

/** Whether a certificate may sign others (RFC 5280 §6.1.4 k, n, o). */
export function caProblem(certificate: Certificate): CaProblem | undefined {
  const { version, isCa, keyUsage, unknownCritical } = certificate;
  if (version !== 3) {
    return { reason: "version", detail: `is of version ${version}, want 3` };
  }
  if (!isCa) {
    return { reason: "not-a-ca", detail: "is not an authority's certificate" };
  }
  if (keyUsage && !keyUsage.has("keyCertSign")) {
    return { reason: "not-a-ca", detail: "may not sign certificates" };
  }
  if (unknownCritical.length > 0) {
    return {
      reason: "unknown-critical",
      detail: `has unknown constraints: ${unknownCritical.join(", ")}`,
    };
  }
  return undefined;
}
