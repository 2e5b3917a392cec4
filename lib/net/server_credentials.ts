import type { X509Certificate } from "node:crypto";
import { SwarmdError } from "../base/errors.ts";
import { decodePem } from "../pki/pem.ts";
import type { ServerCredentials } from "../rpc/connection.ts";

/** What the check is made with; loading it costs, so that the caller does. */
export type NodeCrypto = Pick<
  typeof import("node:crypto"),
  "createPrivateKey" | "X509Certificate"
>;

/**
 * Whether a server can work with them. The runtime takes anything without a
 * word, and every handshake from then on fails (T6).
 *
 * @returns SHA-256 of the leaf, lower-case hex
 * @throws {SwarmdError} `damaged-state` when a text is not PEM, the key is not
 * the leaf's, or there is no root
 */
export function checkServerCredentials(
  credentials: ServerCredentials,
  { createPrivateKey, X509Certificate }: NodeCrypto,
): string {
  const certificatesOf = (pem: string) =>
    decodePem(pem, "CERTIFICATE").map((der) => new X509Certificate(der));
  try {
    const [leaf] = certificatesOf(credentials.chainPem);
    // Without any root the runtime would ask for those of the public ones
    certificatesOf(credentials.rootsPem);
    const key = createPrivateKey(credentials.keyPem);
    if (leaf?.checkPrivateKey(key)) return fingerprintOf(leaf);
  } catch (cause) {
    throw unusable("a part cannot be read", cause);
  }
  throw unusable("the key is not the certificate's");
}

/** Of `node:crypto` it comes in capitals, with colons. */
function fingerprintOf({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(":", "").toLowerCase();
}

function unusable(found: string, cause?: unknown): SwarmdError {
  return new SwarmdError(
    "damaged-state",
    `Cannot serve with the manager's certificate: ${found}`,
    { cause },
  );
}
