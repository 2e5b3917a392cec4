import { type Bytes, concat, utf8 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { signingAlgorithm } from "./algorithms.ts";
import type {
  Crypto,
  KeyPair,
  PrivateKey,
  PublicKeyType,
  SealRequest,
  SignatureAlgorithm,
  VerifyRequest,
} from "./crypto.ts";
import { decodeEcdsa, encodeEcdsa } from "./ecdsa_signature.ts";
import { carriedSpki, pkcs8Type } from "./pkcs8.ts";
import {
  MAX_RSA_BITS,
  MIN_RSA_BITS,
  type PublicKeyInfo,
  readSpki,
} from "./spki.ts";

const EXTRACTABLE = true;
const KEPT_INSIDE = false;
const P256 = { name: "ECDSA", namedCurve: "P-256" };
/** NIST SP 800-38D §8.2.2: random nonces of 96 bits. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What the cryptography of production needs beside `crypto.subtle`. */
export interface CryptoSources {
  /** So many unpredictable bytes. */
  readonly random: (length: number) => Bytes;
  /** SHA-256 on the spot. Default: that of `subtle`, on another thread. */
  readonly sha256?: (data: Bytes) => Bytes;
}

/**
 * The cryptography of production.
 *
 * @param subtle the runtime's `crypto.subtle`
 */
export function webCrypto(
  subtle: SubtleCrypto,
  sources: CryptoSources,
): Crypto {
  return new WebCrypto(subtle, sources);
}

class WebPrivateKey implements PrivateKey {
  readonly brand = "private-key";
  readonly key: CryptoKey;
  readonly scheme: Scheme;
  /** Once exported: a renewal wants it five times. Shown by no inspection. */
  readonly #pkcs8: Bytes;

  constructor(key: CryptoKey, pkcs8: Bytes, scheme: Scheme) {
    this.key = key;
    this.scheme = scheme;
    this.#pkcs8 = pkcs8;
  }

  get pkcs8(): Bytes {
    return this.#pkcs8.slice();
  }
}

class WebCrypto implements Crypto {
  readonly #subtle: SubtleCrypto;
  readonly #sources: CryptoSources;

  constructor(subtle: SubtleCrypto, sources: CryptoSources) {
    this.#subtle = subtle;
    this.#sources = sources;
  }

  async generateKey(): Promise<KeyPair> {
    const { privateKey } = await this.#subtle
      .generateKey(P256, EXTRACTABLE, ["sign", "verify"]);
    return await this.#pairOf(privateKey, P256);
  }

  async importPkcs8(
    pkcs8: Bytes,
    types: readonly PublicKeyType[] = ["p256"],
  ): Promise<KeyPair> {
    try {
      const type = pkcs8Type(pkcs8);
      if (!types.includes(type)) throw new SyntaxError(`found type ${type}`);
      return await this.#importAs(type, pkcs8);
    } catch (cause) {
      if (!(cause instanceof DOMException || cause instanceof SyntaxError)) {
        throw cause;
      }
      throw new SwarmdError(
        "damaged-state",
        `Cannot import private key: want a key in PKCS#8 of type ${
          types.join(", ")
        }`,
        { verdict: "stop", cause },
      );
    }
  }

  async #importAs(type: PublicKeyType, pkcs8: Bytes): Promise<KeyPair> {
    const { key } = ownScheme({ type, bits: MIN_RSA_BITS });
    const privateKey = await this.#subtle
      .importKey("pkcs8", pkcs8, key, EXTRACTABLE, ["sign"]);
    const pair = await this.#pairOf(privateKey, key);
    await this.#checkWhole(pair);
    return pair;
  }

  /** A key file can name one public key and hold another private one. */
  async #checkWhole({ privateKey, spki }: KeyPair): Promise<void> {
    const data = utf8("swarmd key check 1\0");
    const algorithm = signingAlgorithm(readSpki(spki).type);
    // Deno 2.9.6 looks into a key no sooner, and throws whatever it found.
    const signature = await this.sign(privateKey, data)
      .catch((cause) => Promise.reject(mixedUp(cause)));
    const request = { spki, algorithm, data, signature };
    if (!await this.verify(request)) throw mixedUp();
  }

  exportPkcs8(key: PrivateKey): Promise<Bytes> {
    return Promise.try(() => ownKey(key).pkcs8);
  }

  async sign(privateKey: PrivateKey, data: Bytes): Promise<Bytes> {
    const { key, scheme } = ownKey(privateKey);
    const raw = await this.#subtle.sign(scheme.verify, key, data);
    const bytes = new Uint8Array(raw);
    return scheme.coordinateBytes === undefined ? bytes : encodeEcdsa(bytes);
  }

  async verify(request: VerifyRequest): Promise<boolean> {
    const { spki, algorithm, data, signature } = request;
    try {
      const info = readSpki(spki);
      const scheme = schemeOf(info, algorithm);
      if (!scheme) return false;
      const raw = scheme.coordinateBytes === undefined
        ? signature
        : decodeEcdsa(signature, scheme.coordinateBytes);
      return await this.#verifyRaw(scheme, { spki, data, raw });
    } catch (error) {
      if (error instanceof SyntaxError) return false;
      throw error;
    }
  }

  async #verifyRaw(
    scheme: Scheme,
    { spki, data, raw }: { spki: Bytes; data: Bytes; raw: Bytes },
  ): Promise<boolean> {
    try {
      const key = await this.#subtle
        .importKey("spki", spki, scheme.key, KEPT_INSIDE, ["verify"]);
      return await this.#subtle.verify(scheme.verify, key, raw, data);
    } catch (error) {
      // A point that is not on its curve passes the import of this runtime;
      // the verification then throws a TypeError.
      if (error instanceof DOMException || error instanceof TypeError) {
        return false;
      }
      throw error;
    }
  }

  async sha256(data: Bytes): Promise<Bytes> {
    const { sha256 } = this.#sources;
    if (sha256) return sha256(data);
    return new Uint8Array(await this.#subtle.digest("SHA-256", data));
  }

  async hmacSha256(key: Bytes, data: Bytes): Promise<Bytes> {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const imported = await this.#subtle
      .importKey("raw", key, algorithm, KEPT_INSIDE, ["sign"]);
    return new Uint8Array(await this.#subtle.sign("HMAC", imported, data));
  }

  async seal({ key, name, data }: SealRequest): Promise<Bytes> {
    const iv = this.#sources.random(NONCE_BYTES);
    const imported = await this.#sealingKey(key, "encrypt");
    const sealed = await this.#subtle.encrypt(gcm(iv, name), imported, data);
    return concat(iv, new Uint8Array(sealed));
  }

  async open({ key, name, data }: SealRequest): Promise<Bytes> {
    const iv = data.subarray(0, NONCE_BYTES);
    const sealed = data.subarray(NONCE_BYTES);
    if (sealed.length < TAG_BYTES) {
      throw damaged(name, `found ${data.length} bytes`);
    }
    const imported = await this.#sealingKey(key, "decrypt");
    try {
      const opened = await this.#subtle.decrypt(
        gcm(iv, name),
        imported,
        sealed,
      );
      return new Uint8Array(opened);
    } catch (cause) {
      if (!(cause instanceof DOMException)) throw cause;
      throw damaged(name, "key, name or bytes are wrong");
    }
  }

  async #pairOf(
    privateKey: CryptoKey,
    algorithm: Scheme["key"],
  ): Promise<KeyPair> {
    const exported = await this.#subtle.exportKey("pkcs8", privateKey);
    const pkcs8 = new Uint8Array(exported);
    const spki = carriedSpki(pkcs8) ??
      await this.#spkiOf(privateKey, algorithm);
    const scheme = ownScheme(readSpki(spki));
    return { privateKey: new WebPrivateKey(privateKey, pkcs8, scheme), spki };
  }

  /**
   * Of a key whose file does not carry its public half: this runtime computes it
   * anew, in 0.55 ms (Deno 2.9.6).
   */
  async #spkiOf(
    privateKey: CryptoKey,
    algorithm: Scheme["key"],
  ): Promise<Bytes> {
    const jwk = await this.#subtle.exportKey("jwk", privateKey);
    const publicKey = await this.#subtle
      .importKey("jwk", publicHalf(jwk), algorithm, EXTRACTABLE, ["verify"]);
    return new Uint8Array(await this.#subtle.exportKey("spki", publicKey));
  }

  #sealingKey(key: Bytes, usage: "encrypt" | "decrypt"): Promise<CryptoKey> {
    if (key.length !== 32) {
      throw new RangeError(`Cannot seal with a key of ${key.length} bytes`);
    }
    return this.#subtle.importKey("raw", key, "AES-GCM", KEPT_INSIDE, [usage]);
  }
}

function mixedUp(cause?: unknown): SwarmdError {
  return new SwarmdError(
    "damaged-state",
    "Cannot import private key: its parts do not belong together",
    { verdict: "stop", cause },
  );
}

function ownKey(key: PrivateKey): WebPrivateKey {
  if (key instanceof WebPrivateKey) return key;
  throw new TypeError(
    "Cannot use private key: it belongs to other cryptography",
  );
}

/** A JSON Web Key without what is secret (RFC 7518 §6, RFC 8037 §2). */
function publicHalf({ kty, crv, x, y, n, e }: JsonWebKey): JsonWebKey {
  const all = Object.entries({ kty, crv, x, y, n, e });
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
}

function gcm(iv: Bytes, name: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: utf8(name), tagLength: 128 };
}

function damaged(name: string, found: string): SwarmdError {
  return new SwarmdError("damaged-state", `Cannot open "${name}": ${found}`, {
    verdict: "stop",
  });
}

/** How WebCrypto wants a key and a signature algorithm named. */
interface Scheme {
  readonly key: EcKeyImportParams | RsaHashedImportParams | Algorithm;
  readonly verify: EcdsaParams | Algorithm;
  /** Of an ECDSA signature, which WebCrypto wants as two plain numbers. */
  readonly coordinateBytes?: number;
}

const CURVES: ReadonlyMap<PublicKeyType, string> = new Map([
  ["p256", "P-256"],
  ["p384", "P-384"],
  ["p521", "P-521"],
]);

/**
 * What a key signs with here.
 *
 * @throws {SyntaxError} when it is too weak, or too large
 */
function ownScheme(info: Omit<PublicKeyInfo, "key">): Scheme {
  const scheme = schemeOf(info, signingAlgorithm(info.type));
  if (scheme) return scheme;
  throw new SyntaxError(`found ${info.bits} bits`);
}

/** `undefined` for a weak key and for an algorithm that is not the key's. */
function schemeOf(
  { type, bits }: Omit<PublicKeyInfo, "key">,
  algorithm: SignatureAlgorithm,
): Scheme | undefined {
  const [family, digest] = algorithm.split("-sha");
  const hash = `SHA-${digest}`;
  const namedCurve = CURVES.get(type);
  if (family === "ecdsa" && namedCurve !== undefined) {
    return {
      key: { name: "ECDSA", namedCurve },
      verify: { name: "ECDSA", hash },
      coordinateBytes: Math.ceil(bits / 8),
    };
  }
  if (family === "rsa" && type === "rsa") {
    if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) return undefined;
    const name = "RSASSA-PKCS1-v1_5";
    return { key: { name, hash }, verify: { name } };
  }
  if (family === "ed25519" && type === "ed25519") {
    return { key: { name: "Ed25519" }, verify: { name: "Ed25519" } };
  }
  return undefined;
}
