import type { Bytes } from "../base/bytes.ts";
import type { PublicKeyType } from "./crypto.ts";
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

function readType(reader: DerReader): PublicKeyType {
  const algorithm = reader.oid();
  if (algorithm === OID.ecPublicKey) return typeOfCurve(reader.oid());
  if (!reader.done) reader.element();
  if (algorithm === OID.rsaEncryption) return "rsa";
  if (algorithm === OID.ed25519) return "ed25519";
  throw new SyntaxError(`private key algorithm ${algorithm} is not supported`);
}
