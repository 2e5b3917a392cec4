import type { Bytes } from "../base/bytes.ts";

/** A private key that this process holds; what is inside is the adapter's. */
export interface PrivateKey {
  readonly brand: "private-key";
}

/**
 * A key pair: the private half opaque, the public half as DER SPKI. They belong
 * together: that is the word of whoever generated or imported it.
 */
export interface KeyPair {
  readonly privateKey: PrivateKey;
  /** SubjectPublicKeyInfo, DER (RFC 5280 §4.1.2.7). */
  readonly spki: Bytes;
}

/**
 * Signature algorithms that certificates and requests may carry. Everything
 * else (SHA-1, MD5, DSA, RSA-PSS, curves we do not know) is refused on reading.
 */
export type SignatureAlgorithm =
  | "ecdsa-sha256"
  | "ecdsa-sha384"
  | "ecdsa-sha512"
  | "rsa-sha256"
  | "rsa-sha384"
  | "rsa-sha512"
  | "ed25519";

/** Kinds of public keys that certificates may carry. */
export type PublicKeyType = "p256" | "p384" | "p521" | "ed25519" | "rsa";

/**
 * The cryptography that the core asks for. WebCrypto does it in production
 * (`web_crypto.ts`); the simulation uses a deterministic stand-in.
 *
 * Every method may run concurrently with every other. Sealing binds `name` and
 * is opened only with the same name.
 */
export interface Crypto {
  /** A fresh ECDSA P-256 pair. */
  generateKey(): Promise<KeyPair>;
  /**
   * Reads a key in PKCS#8 (RFC 5208 §5), not encrypted.
   *
   * @param types what the key may be; default: ECDSA P-256, as nodes have it
   * @throws {SwarmdError} `damaged-state` when it is no such key, RSA outside of
   * 2048 to 8192 bits, or names a public half that is not its own
   */
  importPkcs8(
    pkcs8: Bytes,
    types?: readonly PublicKeyType[],
  ): Promise<KeyPair>;
  exportPkcs8(key: PrivateKey): Promise<Bytes>;
  /**
   * Signs with `signingAlgorithm` of the key's type; ECDSA as the DER
   * ECDSA-Sig-Value (RFC 3279 §2.2.3).
   */
  sign(key: PrivateKey, data: Bytes): Promise<Bytes>;
  /** False for every signature that does not verify, malformed ones included. */
  verify(request: VerifyRequest): Promise<boolean>;
  sha256(data: Bytes): Promise<Bytes>;
  hmacSha256(key: Bytes, data: Bytes): Promise<Bytes>;
  /** AES-256-GCM; the result is a 96-bit nonce, the ciphertext and the tag. */
  seal(request: SealRequest): Promise<Bytes>;
  /** @throws {SwarmdError} `damaged-state` when key, name or bytes are wrong */
  open(request: SealRequest): Promise<Bytes>;
}

/** What {@linkcode Crypto.verify} needs. */
export interface VerifyRequest {
  readonly spki: Bytes;
  readonly algorithm: SignatureAlgorithm;
  readonly data: Bytes;
  readonly signature: Bytes;
}

/** What {@linkcode Crypto.seal} and {@linkcode Crypto.open} need. */
export interface SealRequest {
  /** 32 bytes. */
  readonly key: Bytes;
  /** Associated data: what the record is called. */
  readonly name: string;
  /** The plaintext to seal, or the sealed bytes to open. */
  readonly data: Bytes;
}
