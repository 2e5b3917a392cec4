import type { Certificate } from "./certificate.ts";
import { formatName } from "./names.ts";

/** What an operator is told of a certificate that a node got. */
export interface IssuedFacts {
  /** Id of the node. */
  readonly node: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** Subject of the issuer. */
  readonly issuer: string;
}

/** The facts of a node's leaf. */
export function issuedFacts(leaf: Certificate): IssuedFacts {
  const { serial, notBefore, notAfter, subject, issuer } = leaf;
  return {
    node: subject.commonName ?? "",
    serial,
    notBefore,
    notAfter,
    issuer: formatName(issuer),
  };
}
