import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { readAlgorithm } from "./algorithms.ts";
import type { Crypto, KeyPair, SignatureAlgorithm } from "./crypto.ts";
import { explicit, integer, sequence, TAG } from "./der.ts";
import { type DerReader, readDer } from "./der_reader.ts";
import { refuseMalformed } from "./malformed.ts";
import { encodeName } from "./names.ts";
import { readSpki } from "./spki.ts";
import { signed } from "./tbs.ts";

/** Largest request that is looked at, in bytes; ours have about 200. */
const MAX_CSR_BYTES = 8 * 1024;

const REQUEST = {
  what: "certificate request",
  code: "csr-refused",
  verdict: "stop",
} as const;

/** The one thing that is believed of a request. */
export interface CertificateRequest {
  /** An ECDSA P-256 key whose private half signed the request. */
  readonly spki: Bytes;
}

/**
 * Makes a PKCS#10 request (RFC 2986 §4) that says nothing but the key: subject
 * and attributes are empty, since the issuer decides them.
 */
export async function createCsr(crypto: Crypto, key: KeyPair): Promise<Bytes> {
  const body = sequence(
    integer(0),
    encodeName([]),
    key.spki,
    explicit(0),
  );
  return await signed(crypto, { key: key.privateKey, body });
}

/**
 * Reads a request of at most 8 KiB and checks that the sender holds its key.
 * Names and extensions that it asks for are ignored.
 *
 * @throws {SwarmdError} `csr-refused` when it is malformed, its key is not
 * ECDSA P-256, or its own signature does not verify
 */
export async function readCsr(
  crypto: Crypto,
  der: Uint8Array,
): Promise<CertificateRequest> {
  const own = new Uint8Array(der);
  const request = refuseMalformed(REQUEST, () => {
    if (own.length > MAX_CSR_BYTES) {
      throw new SyntaxError(
        `${own.length} bytes, want at most ${MAX_CSR_BYTES}`,
      );
    }
    return readDer(own, (reader) => reader.sequence(readSigned));
  });
  const { spki } = request;
  // Fails as well for a point that is not on the curve
  if (await crypto.verify(request)) return { spki };
  throw new SwarmdError(
    "csr-refused",
    "Cannot accept certificate request: its signature does not verify with its own key",
    { verdict: "stop" },
  );
}

interface SignedRequest {
  readonly spki: Bytes;
  readonly algorithm: SignatureAlgorithm;
  readonly data: Bytes;
  readonly signature: Bytes;
}

function readSigned(reader: DerReader): SignedRequest {
  const data = reader.peek(TAG.sequence);
  const spki = reader.sequence(readInfo);
  const algorithm = readAlgorithm(reader);
  if (!algorithm.startsWith("ecdsa-")) {
    throw new SyntaxError(`found a signature of ${algorithm}, want ECDSA`);
  }
  return { spki, algorithm, data, signature: reader.bitString() };
}

function readInfo(reader: DerReader): Bytes {
  const version = reader.small();
  if (version !== 0) {
    throw new SyntaxError(`found version field ${version}, want 0`);
  }
  reader.raw(TAG.sequence);
  const spki = reader.raw(TAG.sequence);
  const { type, bits } = readSpki(spki);
  if (type !== "p256") {
    throw new SyntaxError(
      `found a key of type ${type}, ${bits} bits, want ECDSA P-256`,
    );
  }
  reader.raw(0xa0);
  return spki;
}
