import { createHash, createHmac } from "node:crypto";
import type { Bytes } from "../../lib/base/bytes.ts";

/**
 * SHA-256 (FIPS 180-4) at once instead of on a thread pool, so that a
 * simulation's order of events never depends on the machine.
 */
export function sha256(data: Uint8Array): Bytes {
  return new Uint8Array(createHash("sha256").update(data).digest());
}

/** HMAC-SHA-256 (RFC 2104 §2), at once. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Bytes {
  return new Uint8Array(createHmac("sha256", key).update(data).digest());
}
