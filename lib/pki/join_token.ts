import { encodeBase36 } from "../base/base36.ts";
import { type Bytes, concat, fromHex, utf8 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Crypto } from "./crypto.ts";
import { readKeyPart, splitKeyText } from "./key_text.ts";

const PREFIX = "SWMTKN";
const VERSION = "1";
const DIGEST_BYTES = 32;
const SECRET_BYTES = 16;
/** Sizes of a nonce, in bytes: never guessed, never a flood. */
const MIN_NONCE_BYTES = 16;
const MAX_NONCE_BYTES = 64;

/** What an operator gives to a machine that shall join. */
export interface JoinToken {
  /** `rootDigest` of the root it trusts, 32 bytes. */
  readonly digest: Bytes;
  /** 16 random bytes; decide the role. */
  readonly secret: Bytes;
}

/** Writes `SWMTKN-1-<digest, 50 digits>-<secret, 25 digits>`, in base 36. */
export function formatJoinToken(token: JoinToken): string {
  return [
    PREFIX,
    VERSION,
    encodeBase36(token.digest),
    encodeBase36(token.secret),
  ].join("-");
}

/**
 * Reads what {@linkcode formatJoinToken} writes; white space around it is
 * dropped. The error says which part is wrong and never quotes the token.
 *
 * @throws {SwarmdError} `token-version` for a token of another version,
 * `token-malformed` for anything else that is no token
 */
export function parseJoinToken(text: string): JoinToken {
  const [version = "", ...parts] = splitKeyText(text, {
    prefix: PREFIX,
    malformed,
  });
  checkVersion(version);
  const [digest, secret] = parts;
  if (digest === undefined || secret === undefined) {
    throw malformed(
      `it has ${parts.length + 2} parts, want 4; it looks cut off`,
    );
  }
  if (parts.length > 2) {
    throw malformed(`it has ${parts.length + 2} parts, want 4`);
  }
  return {
    digest: readKeyPart(digest, {
      what: "root digest",
      byteLength: DIGEST_BYTES,
      malformed,
    }),
    secret: readKeyPart(secret, {
      what: "secret",
      byteLength: SECRET_BYTES,
      malformed,
    }),
  };
}

/** Under which name a token is looked up: public, 25 digits of base 36. */
export async function tokenId(crypto: Crypto, secret: Bytes): Promise<string> {
  const hash = await crypto.sha256(concat(utf8("swarmd token id 1\0"), secret));
  return encodeBase36(hash.subarray(0, 16));
}

/**
 * The hash of a token's secret that the cluster stores; also the key with which
 * a manager proves that it knows the token.
 *
 * @returns 32 bytes; as confidential as the secret towards joining machines
 */
export function tokenKey(crypto: Crypto, secret: Bytes): Promise<Bytes> {
  return crypto.sha256(concat(utf8("swarmd token key 1\0"), secret));
}

/** What {@linkcode proveToken} binds together. */
export interface TokenProof {
  /** From {@linkcode tokenKey}. */
  readonly key: Bytes;
  /** Chosen at random by the one who wants the proof, 16 to 64 bytes. */
  readonly nonce: Bytes;
  /** Fingerprint of the prover's leaf, hex, as in `Certificate`. */
  readonly leafFingerprint: string;
}

/**
 * Proves knowledge of a token on one connection: the fingerprint of the leaf
 * keeps a manager in the middle from passing on another's proof. Compare proofs
 * in constant time.
 *
 * @returns 32 bytes
 * @throws {RangeError} when the nonce or the fingerprint has another length
 */
export async function proveToken(
  crypto: Crypto,
  proof: TokenProof,
): Promise<Bytes> {
  const { key, nonce } = proof;
  const fingerprint = fromHex(proof.leafFingerprint);
  if (
    fingerprint.length !== 32 || nonce.length < MIN_NONCE_BYTES ||
    nonce.length > MAX_NONCE_BYTES
  ) {
    throw new RangeError(
      `Cannot prove token: nonce of ${nonce.length} bytes, fingerprint of ${fingerprint.length}`,
    );
  }
  // Only the nonce varies in length, so no two inputs run together.
  const data = concat(utf8("swarmd proof 1\0"), nonce, fingerprint);
  return await crypto.hmacSha256(key, data);
}

function checkVersion(version: string): void {
  if (version === VERSION) return;
  if (!/^\d{1,9}$/.test(version)) {
    throw malformed("its version is not a number");
  }
  throw new SwarmdError(
    "token-version",
    `Cannot read join token: found version ${version}, want version ${VERSION}`,
    {
      verdict: "stop",
      hint: "Use a token and a program of the same version",
      data: { version: Number(version) },
    },
  );
}

function malformed(found: string): SwarmdError {
  return new SwarmdError(
    "token-malformed",
    `Cannot read join token: ${found}`,
    {
      verdict: "stop",
      hint: "Copy the whole token, as 'swarmd token show' prints it",
    },
  );
}
