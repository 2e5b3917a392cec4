import type { Bytes } from "../base/bytes.ts";
import type { PublicKeyType } from "./crypto.ts";
import { bitString, sequence, TAG } from "./der.ts";
import { type DerReader, readDer } from "./der_reader.ts";
import { OID } from "./oids.ts";
import { typeOfCurve } from "./spki.ts";

/** What follows the algorithm at most: the key, attributes, the public key. */
const MAX_REST = 3;

/**
 * The type of a private key in PKCS#8 (RFC 5958 §2), of which nothing but the
 * algorithm is looked at.
 *
 * @throws {SyntaxError} when it is malformed or of no kind that is supported
 */
export function pkcs8Type(pkcs8: Bytes): PublicKeyType {
  return readDer(pkcs8, (reader) =>
    reader.sequence((inner) => {
      const version = inner.small();
      if (version > 1) throw new SyntaxError(`found version field ${version}`);
      const type = inner.sequence(readType);
      inner.all(MAX_REST, (rest) => rest.element());
      return type;
    }));
}

/**
 * The public half, as SubjectPublicKeyInfo, that an elliptic-curve key in PKCS#8
 * carries beside the private one (RFC 5915 §3). That they belong together is
 * not checked.
 *
 * @returns `undefined` where it carries none, and for other kinds of keys
 * @throws {SyntaxError} when it is malformed
 */
export function carriedSpki(pkcs8: Bytes): Bytes | undefined {
  return readDer(pkcs8, (reader) =>
    reader.sequence((inner) => {
      inner.small();
      const algorithm = inner.raw(TAG.sequence);
      const key = inner.octetString();
      inner.all(MAX_REST, (rest) => rest.element());
      if (!isCurve(algorithm)) return undefined;
      const point = readDer(key, (ec) => ec.sequence(readPublicHalf));
      return point && sequence(algorithm, bitString(point));
    }));
}

function isCurve(algorithm: Bytes): boolean {
  return readDer(algorithm, (reader) =>
    reader.sequence((inner) => {
      const found = inner.oid();
      inner.all(MAX_REST, (rest) => rest.element());
      return found === OID.ecPublicKey;
    }));
}

/** ECPrivateKey: version, number, `[0]` parameters, `[1]` public key. */
function readPublicHalf(reader: DerReader): Bytes | undefined {
  reader.small();
  reader.octetString();
  reader.optional(0, (parameters) => parameters.element());
  return reader.optional(1, (point) => point.bitString());
}

function readType(reader: DerReader): PublicKeyType {
  const algorithm = reader.oid();
  if (algorithm === OID.ecPublicKey) return typeOfCurve(reader.oid());
  if (!reader.done) reader.element();
  if (algorithm === OID.rsaEncryption) return "rsa";
  if (algorithm === OID.ed25519) return "ed25519";
  throw new SyntaxError(`private key algorithm ${algorithm} is not supported`);
}
