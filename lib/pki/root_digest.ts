import { type Bytes, toHex, utf8 } from "../base/bytes.ts";
import type { Crypto } from "./crypto.ts";
import { encodePem } from "./pem.ts";

/**
 * The digest of a root that a join token pins: SHA-256 of the one PEM text of
 * the certificate, so that `sha256sum` of an exported file shows the same.
 *
 * @returns 32 bytes
 */
export function rootDigest(crypto: Crypto, der: Uint8Array): Promise<Bytes> {
  return crypto.sha256(utf8(encodePem("CERTIFICATE", der)));
}

/** Writes a digest as `sha256:` and lower-case hex. */
export function formatDigest(digest: Uint8Array): string {
  return `sha256:${toHex(digest)}`;
}
