import { concat, fromHex } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { caProblem } from "./ca.ts";
import { type Certificate, readCertificates } from "./certificate.ts";
import type { Crypto } from "./crypto.ts";
import { formatName } from "./names.ts";
import { encodePem } from "./pem.ts";
import { formatDigest } from "./root_digest.ts";

/** More than two roots is a rotation within a rotation. */
const MAX_ROOTS = 8;

/** The authorities that a node trusts; all of them, and no others. */
export interface TrustBundle {
  /** 1 to 8, each once. */
  readonly roots: readonly Certificate[];
}

/**
 * Reads a bundle. Whether its roots are inside their validity is for the one
 * who uses them.
 *
 * @throws {SwarmdError} `bad-message` when it holds no root, more than 8, one
 * of them twice, or something that may not sign certificates
 */
export async function readBundle(
  crypto: Crypto,
  pem: string,
): Promise<TrustBundle> {
  const roots = await readCertificates(crypto, pem);
  if (roots.length > MAX_ROOTS) {
    throw refused(`found ${roots.length} roots, want 1 to ${MAX_ROOTS}`);
  }
  if (new Set(roots.map((root) => root.fingerprint)).size < roots.length) {
    throw refused("found the same root twice");
  }
  for (const root of roots) {
    const problem = caProblem(root);
    if (problem) {
      throw refused(`"${formatName(root.subject)}" ${problem.detail}`);
    }
  }
  return { roots };
}

/** Writes what {@linkcode readBundle} reads. */
export function writeBundle(bundle: TrustBundle): string {
  return bundle.roots.map((root) => encodePem("CERTIFICATE", root.der)).join(
    "",
  );
}

/** What two bundles share exactly when they hold the same roots. */
export async function bundleDigest(
  crypto: Crypto,
  bundle: TrustBundle,
): Promise<string> {
  const prints = bundle.roots.map((root) => root.fingerprint).sort();
  return formatDigest(await crypto.sha256(concat(...prints.map(fromHex))));
}

function refused(found: string): SwarmdError {
  return new SwarmdError("bad-message", `Cannot read trust bundle: ${found}`);
}
