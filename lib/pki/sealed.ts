import { type Bytes, fromBase64, toBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Crypto } from "./crypto.ts";

/** A secret at rest. */
export interface SealedValue {
  /** Of the key that seals it; in the clear, so that an error can name it. */
  readonly version: number;
  /** Nonce, ciphertext and tag, base64. */
  readonly data: string;
}

/** A key of the cluster's key ring. */
export interface SealingKey {
  readonly version: number;
  /** 32 bytes. */
  readonly key: Bytes;
}

/**
 * The key that seals: the one of the highest version.
 *
 * @throws {TypeError} when the ring is empty
 */
export function newestKey(ring: ReadonlyMap<number, Bytes>): SealingKey {
  const version = Math.max(...ring.keys());
  const key = ring.get(version);
  if (!key) throw new TypeError("Cannot seal: the key ring is empty");
  return { version, key };
}

/**
 * Seals a secret under the name of the record that holds it: it cannot be
 * moved to another record.
 */
export async function sealValue(
  crypto: Crypto,
  what: {
    readonly key: SealingKey;
    readonly name: string;
    readonly data: Bytes;
  },
): Promise<SealedValue> {
  const { key: { version, key }, name, data } = what;
  return { version, data: toBase64(await crypto.seal({ key, name, data })) };
}

/**
 * Opens what {@linkcode sealValue} made.
 *
 * @throws {SwarmdError} `damaged-state`, naming the version of the key that is
 * wanted, when the ring is without it or when key, name or bytes are wrong
 */
export async function openValue(
  crypto: Crypto,
  what: {
    /** Keys by version. */
    readonly ring: ReadonlyMap<number, Bytes>;
    readonly name: string;
    readonly value: SealedValue;
  },
): Promise<Bytes> {
  const { ring, name, value } = what;
  const wanted =
    `Cannot open "${name}", sealed under key version ${value.version}`;
  const key = ring.get(value.version);
  if (!key) {
    const held = [...ring.keys()].join(", ") || "none";
    throw damaged(`${wanted}: the key ring holds ${held}`, value);
  }
  try {
    const data = fromBase64(value.data);
    return await crypto.open({ key, name, data });
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw damaged(`${wanted}: its bytes are not base64`, value, error);
    }
    if (!(error instanceof SwarmdError)) throw error;
    throw damaged(`${wanted}: key, name or bytes are wrong`, value, error);
  }
}

function damaged(
  text: string,
  value: SealedValue,
  cause?: unknown,
): SwarmdError {
  return new SwarmdError("damaged-state", text, {
    verdict: "stop",
    data: { keyVersion: value.version },
    cause,
  });
}
