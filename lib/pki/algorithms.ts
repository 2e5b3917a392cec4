import { type Bytes, equalBytes } from "../base/bytes.ts";
import type { PublicKeyType, SignatureAlgorithm } from "./crypto.ts";
import { element, oid, sequence, TAG } from "./der.ts";
import type { DerReader } from "./der_reader.ts";
import { readDer } from "./der_reader.ts";
import { OID } from "./oids.ts";

const NULL = element(TAG.null, []);

/**
 * AlgorithmIdentifiers, each in its one encoding: parameters are NULL for RSA
 * (RFC 4055 §5) and absent for the others (RFC 5758 §3.2, RFC 8410 §3).
 */
const ENCODED: Readonly<Record<SignatureAlgorithm, Bytes>> = {
  "ecdsa-sha256": sequence(oid(OID.ecdsaSha256)),
  "ecdsa-sha384": sequence(oid(OID.ecdsaSha384)),
  "ecdsa-sha512": sequence(oid(OID.ecdsaSha512)),
  "rsa-sha256": sequence(oid(OID.rsaSha256), NULL),
  "rsa-sha384": sequence(oid(OID.rsaSha384), NULL),
  "rsa-sha512": sequence(oid(OID.rsaSha512), NULL),
  "ed25519": sequence(oid(OID.ed25519)),
};

const NAMES = Object.keys(ENCODED) as SignatureAlgorithm[];

/** The AlgorithmIdentifier of a signature algorithm. */
export function encodeAlgorithm(algorithm: SignatureAlgorithm): Bytes {
  return ENCODED[algorithm];
}

/** What keys of each type sign with: a digest as strong as the key. */
const SIGNING: Readonly<Record<PublicKeyType, SignatureAlgorithm>> = {
  p256: "ecdsa-sha256",
  p384: "ecdsa-sha384",
  p521: "ecdsa-sha512",
  ed25519: "ed25519",
  rsa: "rsa-sha256",
};

/** The one algorithm that a key of a type signs with here. */
export function signingAlgorithm(type: PublicKeyType): SignatureAlgorithm {
  return SIGNING[type];
}

/** What is refused often enough to be told by name. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["1.2.840.113549.1.1.4", "RSA with MD5"],
  ["1.2.840.113549.1.1.5", "RSA with SHA-1"],
  ["1.2.840.113549.1.1.10", "RSA-PSS"],
  ["1.2.840.10045.4.1", "ECDSA with SHA-1"],
]);

/**
 * Reads an AlgorithmIdentifier.
 *
 * @throws {SyntaxError} when it is none of {@linkcode SignatureAlgorithm}
 */
export function readAlgorithm(reader: DerReader): SignatureAlgorithm {
  const raw = reader.raw(TAG.sequence);
  const found = NAMES.find((name) => equalBytes(ENCODED[name], raw));
  if (found !== undefined) return found;
  const oid = oidIn(raw);
  const name = REFUSED.get(oid);
  throw new SyntaxError(
    `found signature algorithm ${name ? `${name} (${oid})` : oid}, want ${
      NAMES.join(", ")
    }`,
  );
}

function oidIn(algorithm: Bytes): string {
  return readDer(algorithm, (reader) =>
    reader.sequence((inner) => {
      const found = inner.oid();
      if (!inner.done) inner.element();
      return found;
    }));
}
