import type { Bytes } from "../base/bytes.ts";
import { encodeAlgorithm } from "./algorithms.ts";
import type { Crypto, PrivateKey, SignatureAlgorithm } from "./crypto.ts";
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
  /** Default: that of our own keys, ecdsa-sha256. */
  readonly algorithm?: SignatureAlgorithm;
}

const VERSION_3 = explicit(0, integer(2));
/** Of our own keys. */
const OWN_ALGORITHM = "ecdsa-sha256";

/** TBSCertificate of version 3 (RFC 5280 §4.1.2). */
export function encodeTbs(parts: TbsParts): Bytes {
  return sequence(
    VERSION_3,
    integer(parts.serial),
    encodeAlgorithm(parts.algorithm ?? OWN_ALGORITHM),
    parts.issuer,
    sequence(time(parts.notBefore), time(parts.notAfter)),
    parts.subject,
    parts.spki,
    explicit(3, sequence(...parts.extensions)),
  );
}

/** What is to be signed, and by whom. */
export interface SigningOrder {
  readonly key: PrivateKey;
  readonly body: Bytes;
  /** The key's `signingAlgorithm`. Default: ecdsa-sha256. */
  readonly algorithm?: SignatureAlgorithm;
}

/**
 * Signs: the form that certificates and requests share (RFC 5280 §4.1,
 * RFC 2986 §4.2).
 */
export async function signed(
  crypto: Crypto,
  { key, body, algorithm = OWN_ALGORITHM }: SigningOrder,
): Promise<Bytes> {
  return sequence(
    body,
    encodeAlgorithm(algorithm),
    bitString(await crypto.sign(key, body)),
  );
}
