import type { Bytes } from "../base/bytes.ts";
import type { Crypto, PublicKeyType } from "./crypto.ts";
import { TAG } from "./der.ts";
import { type DerReader, readDer } from "./der_reader.ts";
import { OID } from "./oids.ts";

/** NIST SP 800-57 part 1, table 2: below it RSA is weaker than 112 bits. */
export const MIN_RSA_BITS = 2048;
/** Verification time grows with the square of the size. */
export const MAX_RSA_BITS = 8192;

/** What a SubjectPublicKeyInfo says (RFC 5280 §4.1.2.7). */
export interface PublicKeyInfo {
  readonly type: PublicKeyType;
  /** Size of the curve or of the RSA modulus. */
  readonly bits: number;
  /** Contents of the BIT STRING: the point, or the RSAPublicKey. */
  readonly key: Bytes;
}

const CURVES: ReadonlyMap<string, readonly [PublicKeyType, number]> = new Map([
  [OID.p256, ["p256", 256]],
  [OID.p384, ["p384", 384]],
  [OID.p521, ["p521", 521]],
]);

/**
 * Reads a SubjectPublicKeyInfo. Whether a point is on its curve is left to the
 * import into {@linkcode Crypto}.
 *
 * @throws {SyntaxError} when it is malformed or of no kind that is supported
 */
export function readSpki(spki: Bytes): PublicKeyInfo {
  return readDer(spki, (reader) =>
    reader.sequence((inner) => {
      const shape = inner.sequence(readKeyAlgorithm);
      return shape(inner.bitString());
    }));
}

/**
 * Key identifier: the leftmost 160 bits of the SHA-256 of the BIT STRING
 * (RFC 7093 §2 method 1).
 */
export async function keyIdOf(crypto: Crypto, spki: Bytes): Promise<Bytes> {
  return (await crypto.sha256(readSpki(spki).key)).slice(0, 20);
}

/**
 * The type of the keys on a curve, by its object identifier.
 *
 * @throws {SyntaxError} when it is not supported
 */
export function typeOfCurve(curve: string): PublicKeyType {
  const [type] = curveOf(curve);
  return type;
}

type ReadKey = (key: Bytes) => PublicKeyInfo;

function readKeyAlgorithm(reader: DerReader): ReadKey {
  const algorithm = reader.oid();
  switch (algorithm) {
    case OID.ecPublicKey:
      return pointOn(reader.oid());
    case OID.rsaEncryption:
      if (reader.content(TAG.null).length > 0) {
        throw new SyntaxError("a NULL with contents");
      }
      return readRsa;
    case OID.ed25519:
      return readEd25519;
    default:
      throw new SyntaxError(
        `public key algorithm ${algorithm} is not supported`,
      );
  }
}

function curveOf(curve: string): readonly [PublicKeyType, number] {
  const found = CURVES.get(curve);
  if (found) return found;
  throw new SyntaxError(`curve ${curve} is not supported`);
}

function pointOn(curve: string): ReadKey {
  const [type, bits] = curveOf(curve);
  return (key) => {
    // RFC 5480 §2.2: uncompressed points only; a compressed one would be a
    // second encoding of the same key.
    if (key[0] !== 4 || key.length !== 1 + 2 * Math.ceil(bits / 8)) {
      throw new SyntaxError(`want an uncompressed point of ${bits} bits`);
    }
    return { type, bits, key };
  };
}

function readEd25519(key: Bytes): PublicKeyInfo {
  if (key.length !== 32) {
    throw new SyntaxError("want an Ed25519 key of 32 bytes");
  }
  return { type: "ed25519", bits: 256, key };
}

function readRsa(key: Bytes): PublicKeyInfo {
  const modulus = readDer(key, (reader) =>
    reader.sequence((inner) => {
      const found = inner.unsigned();
      inner.unsigned();
      return found;
    }));
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  return { type: "rsa", bits, key };
}
