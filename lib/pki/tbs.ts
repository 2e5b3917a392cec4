import type { Bytes } from "../base/bytes.ts";
import { encodeAlgorithm } from "./algorithms.ts";
import type { Crypto, PrivateKey } from "./crypto.ts";
import { bitString, explicit, integer, sequence, time } from "./der.ts";

/** What every certificate that this program writes consists of. */
export interface TbsParts {
  readonly serial: Bytes;
  /** Encoded name. */
  readonly issuer: Bytes;
  /** Milliseconds since 1970, whole seconds. */
  readonly notBefore: number;
  /** Milliseconds since 1970, whole seconds. */
  readonly notAfter: number;
  /** Encoded name. */
  readonly subject: Bytes;
  readonly spki: Bytes;
  /** Encoded extensions. */
  readonly extensions: readonly Bytes[];
}

const VERSION_3 = explicit(0, integer(2));

/** TBSCertificate of version 3, for ecdsa-sha256 (RFC 5280 §4.1.2). */
export function encodeTbs(parts: TbsParts): Bytes {
  return sequence(
    VERSION_3,
    integer(parts.serial),
    encodeAlgorithm("ecdsa-sha256"),
    parts.issuer,
    sequence(time(parts.notBefore), time(parts.notAfter)),
    parts.subject,
    parts.spki,
    explicit(3, sequence(...parts.extensions)),
  );
}

/**
 * Signs with ecdsa-sha256: the form that certificates and requests share
 * (RFC 5280 §4.1, RFC 2986 §4.2).
 */
export async function signed(
  crypto: Crypto,
  order: { readonly key: PrivateKey; readonly body: Bytes },
): Promise<Bytes> {
  return sequence(
    order.body,
    encodeAlgorithm("ecdsa-sha256"),
    bitString(await crypto.sign(order.key, order.body)),
  );
}
