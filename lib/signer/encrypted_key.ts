import { Buffer } from "node:buffer";
import { createPrivateKey } from "node:crypto";
import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";

/** What Deno 2.9.6 says when the passphrase, or the padding, is wrong. */
const WRONG_REGEXP = /encrypted PKCS#8|bad decrypt/;

/**
 * Opens an encrypted PKCS#8 key (RFC 5958 §3, PBES2 of RFC 8018 §6.2): AES in
 * CBC mode with a key from PBKDF2 or scrypt. Deno 2.9.6 knows neither triple DES
 * nor PBES1.
 *
 * @throws {SwarmdError} `usage`, to stop, for a wrong passphrase and for
 * encryption that is not known
 */
export function decryptPkcs8(
  sealed: Bytes,
  passphrase: string,
): Promise<Bytes> {
  return new Promise((resolve) => resolve(decrypt(sealed, passphrase)));
}

function decrypt(sealed: Bytes, passphrase: string): Bytes {
  try {
    const key = createPrivateKey({
      key: Buffer.from(sealed),
      format: "der",
      type: "pkcs8",
      passphrase,
    });
    return new Uint8Array(key.export({ type: "pkcs8", format: "der" }));
  } catch (cause) {
    throw refused(cause);
  }
}

function refused(cause: unknown): SwarmdError {
  const text = cause instanceof Error ? cause.message : "";
  if (WRONG_REGEXP.test(text)) {
    return new SwarmdError(
      "usage",
      "Cannot open the encrypted key: the passphrase is wrong",
      { verdict: "stop", cause },
    );
  }
  return new SwarmdError(
    "usage",
    "Cannot open the encrypted key: it is damaged, or encrypted in a way that is not known, want AES-CBC",
    {
      verdict: "stop",
      cause,
      hint:
        "Convert the key: openssl pkcs8 -topk8 -in OLD -out NEW -v2 aes-256-cbc",
    },
  );
}
