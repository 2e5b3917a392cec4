import { type Bytes, concat } from "../base/bytes.ts";
import type { Crypto } from "./crypto.ts";

const HASH_BYTES = 32;
/** RFC 5869 §2.3: the counter is one byte. */
const MAX_BYTES = 255 * HASH_BYTES;

/** What a key is derived from, and for. */
export interface HkdfRequest {
  /** The secret, of good randomness. */
  readonly secret: Bytes;
  /** Need not be secret. Empty: none. */
  readonly salt: Bytes;
  /** What the key is for: another text gives an unrelated key. */
  readonly info: Bytes;
  /** So many bytes, 1 to 8160. */
  readonly length: number;
}

/**
 * Derives a key by HKDF with SHA-256 (RFC 5869 §2).
 *
 * @throws {RangeError} when the length is not possible
 */
export async function hkdfSha256(
  crypto: Crypto,
  { secret, salt, info, length }: HkdfRequest,
): Promise<Bytes> {
  if (!(length >= 1 && length <= MAX_BYTES)) {
    throw new RangeError(`Cannot derive ${length} bytes: want 1 to 8160`);
  }
  const extracted = await crypto.hmacSha256(
    salt.length > 0 ? salt : new Uint8Array(HASH_BYTES),
    secret,
  );
  const blocks: Bytes[] = [];
  for (let i = 1; (i - 1) * HASH_BYTES < length; i++) {
    const input = concat(
      blocks.at(-1) ?? new Uint8Array(),
      info,
      Uint8Array.of(i),
    );
    blocks.push(await crypto.hmacSha256(extracted, input));
  }
  return concat(...blocks).slice(0, length);
}
