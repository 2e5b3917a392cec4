import { type Bytes, toBase64, toHex } from "../base/bytes.ts";
import { readAlgorithm } from "./algorithms.ts";
import type { Crypto, PublicKeyType, SignatureAlgorithm } from "./crypto.ts";
import { TAG } from "./der.ts";
import { type DerReader, readDer } from "./der_reader.ts";
import {
  type ExtensionFacts,
  NO_EXTENSIONS,
  readExtensions,
} from "./extensions.ts";
import { refuseMalformed } from "./malformed.ts";
import { type Name, readName } from "./names.ts";
import { decodePem } from "./pem.ts";
import { readSpki } from "./spki.ts";

/** Largest certificate that is looked at, in bytes; ours have about 600. */
const MAX_CERTIFICATE_BYTES = 32 * 1024;
/** Most certificates in one PEM text. */
const MAX_CERTIFICATES = 64;
/** Longest serial number, in bytes (RFC 5280 §4.1.2.2). */
const MAX_SERIAL_BYTES = 20;

const CERTIFICATE = { what: "certificate", code: "bad-message" } as const;

/** An X.509 certificate (RFC 5280 §4.1) that was read, not verified. */
export interface Certificate extends ExtensionFacts {
  readonly der: Bytes;
  /** The part that is signed. */
  readonly tbs: Bytes;
  readonly version: 1 | 2 | 3;
  /** Lower-case hex of the INTEGER, two digits a byte, without its sign byte. */
  readonly serial: string;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Bytes;
  readonly issuer: Name;
  readonly subject: Name;
  /** Milliseconds since 1970; the first moment of validity. */
  readonly notBefore: number;
  /** Milliseconds since 1970; the last moment of validity. */
  readonly notAfter: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Bytes;
  readonly publicKeyType: PublicKeyType;
  /** Size of the curve or of the RSA modulus. */
  readonly publicKeyBits: number;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
}

/** Certificates that are remembered as they were read. */
const MAX_REMEMBERED = 128;
/** Largest of them, in bytes. */
const MAX_REMEMBERED_BYTES = 2048;

/** What each cryptography was given to read last, by DER in base64. */
const remembered = new WeakMap<Crypto, Map<string, Certificate>>();

/**
 * Reads one certificate, strictly: DER only, at most 32 KiB. What was read a
 * moment ago is not read again: roots, and who comes back with what he was just
 * given, are read up to ten times in one rotation, for 0.2 ms each.
 *
 * @throws {SwarmdError} `bad-message` when it is malformed, or carries a key or
 * a signature of a kind that is not supported
 */
export async function readCertificate(
  crypto: Crypto,
  der: Uint8Array,
): Promise<Certificate> {
  if (der.length > MAX_REMEMBERED_BYTES) return await readAnew(crypto, der);
  const known = remembered.getOrInsertComputed(crypto, () => new Map());
  const name = toBase64(der);
  const before = known.get(name);
  if (before) return before;
  const certificate = await readAnew(crypto, der);
  known.set(name, certificate);
  if (known.size > MAX_REMEMBERED) {
    const [oldest = ""] = known.keys();
    known.delete(oldest);
  }
  return certificate;
}

async function readAnew(
  crypto: Crypto,
  der: Uint8Array,
): Promise<Certificate> {
  const own = new Uint8Array(der);
  const facts = refuseMalformed(CERTIFICATE, () => {
    if (own.length > MAX_CERTIFICATE_BYTES) {
      throw new SyntaxError(
        `${own.length} bytes, want at most ${MAX_CERTIFICATE_BYTES}`,
      );
    }
    return readDer(own, (reader) => reader.sequence(readSigned));
  });
  return { der: own, ...facts, fingerprint: toHex(await crypto.sha256(own)) };
}

/**
 * Reads the certificates of a PEM text, in their order, at most 64.
 *
 * @throws {SwarmdError} `bad-message` as {@linkcode readCertificate} does
 */
export async function readCertificates(
  crypto: Crypto,
  pem: string,
): Promise<Certificate[]> {
  const blocks = refuseMalformed(CERTIFICATE, () => {
    const found = decodePem(pem, "CERTIFICATE");
    if (found.length <= MAX_CERTIFICATES) return found;
    throw new SyntaxError(
      `found ${found.length}, want at most ${MAX_CERTIFICATES}`,
    );
  });
  return await Promise.all(blocks.map((der) => readCertificate(crypto, der)));
}

type Facts = Omit<Certificate, "der" | "fingerprint">;

function readSigned(reader: DerReader): Facts {
  const tbs = reader.peek(TAG.sequence);
  const body = reader.sequence(readBody);
  const outer = readAlgorithm(reader);
  // RFC 5280 §4.1.1.2: the algorithm outside of the signed part is only a copy
  if (outer !== body.signatureAlgorithm) {
    throw new SyntaxError("two different signature algorithms");
  }
  return { tbs, ...body, signature: reader.bitString() };
}

function readBody(reader: DerReader): Omit<Facts, "tbs" | "signature"> {
  const version = readVersion(reader);
  const serial = reader.unsigned();
  if (serial.length > MAX_SERIAL_BYTES) {
    throw new SyntaxError(`a serial number above ${MAX_SERIAL_BYTES} bytes`);
  }
  const signatureAlgorithm = readAlgorithm(reader);
  const issuer = readName(reader);
  if (issuer.attributes.length === 0) throw new SyntaxError("an empty issuer");
  const validity = reader.sequence((inner) => ({
    notBefore: inner.time(),
    notAfter: inner.time(),
  }));
  const subject = readName(reader);
  const spki = reader.raw(TAG.sequence);
  const key = readSpki(spki);
  const extensions = version === 3
    ? reader.optional(3, readExtensions)
    : undefined;
  return {
    version,
    serial: toHex(serial),
    signatureAlgorithm,
    issuer,
    ...validity,
    subject,
    spki,
    publicKeyType: key.type,
    publicKeyBits: key.bits,
    ...(extensions ?? NO_EXTENSIONS),
  };
}

/** Version 1 is the default, so that DER never writes it. */
function readVersion(reader: DerReader): 1 | 2 | 3 {
  const value = reader.optional(0, (inner) => inner.small());
  if (value === undefined) return 1;
  if (value === 1) return 2;
  if (value === 2) return 3;
  throw new SyntaxError(`a certificate of version field ${value}`);
}
