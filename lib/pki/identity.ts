import { equalBytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Certificate } from "./certificate.ts";
import { verifyChain } from "./chain.ts";
import type { Crypto, KeyPair } from "./crypto.ts";
import { decodePem } from "./pem.ts";
import { checkLeaf, type Role, roleOf } from "./profile.ts";
import type { TrustBundle } from "./trust_bundle.ts";

/** All that a node authenticates with; one value, replaced as a whole. */
export interface NodeIdentity {
  readonly key: KeyPair;
  /** The same key, PKCS#8, as it is written to disk. */
  readonly keyPkcs8Pem: string;
  /** Leaf, then its intermediates; never the root. */
  readonly chain: readonly Certificate[];
  readonly bundle: TrustBundle;
}

/** What an identity must be. */
export interface IdentityExpectation {
  readonly identity: NodeIdentity;
  readonly clusterId: string;
  /** Left out where the answer assigns it. */
  readonly nodeId?: string;
  /** Roles that are allowed. */
  readonly roles: readonly Role[];
  /** Wall clock, in milliseconds. */
  readonly now: number;
  /** Of the error: where the identity came from. */
  readonly code: "answer-refused" | "damaged-state";
  /**
   * Accepts a chain whose dates alone are wrong: no program ends because a
   * certificate did, or because its machine starts with a wrong clock.
   *
   * @default {false}
   */
  readonly allowExpired?: boolean;
}

/** Whom an identity makes its holder. */
export interface CheckedIdentity {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: Role;
  readonly certificate: Certificate;
}

/**
 * Judges an identity as a whole: the key is the leaf's, the chain holds under
 * the bundle, the leaf says what a node's must. It is the one gate for what
 * comes from disk, from a manager, and into use.
 *
 * @throws {SwarmdError} with the given code, naming everything that is wrong
 */
export async function checkIdentity(
  crypto: Crypto,
  expected: IdentityExpectation,
): Promise<CheckedIdentity> {
  const { chain } = expected.identity;
  const [leaf] = chain;
  if (!leaf) throw refused(expected, ["the chain is empty"]);
  const problems = [
    ...checkLeaf(leaf, expected),
    ...await keyProblems(crypto, expected.identity),
  ];
  if (problems.length > 0) throw refused(expected, problems);
  const role = roleOf(leaf.subject.organizationalUnit);
  const nodeId = leaf.subject.commonName;
  if (!role || nodeId === undefined) {
    throw refused(expected, ["the subject names no node"]); // unreachable
  }
  const chainProblem = await chainProblemOf(crypto, { ...expected, role });
  if (chainProblem !== undefined) throw refused(expected, [chainProblem]);
  return { nodeId, clusterId: expected.clusterId, role, certificate: leaf };
}

async function keyProblems(
  crypto: Crypto,
  identity: NodeIdentity,
): Promise<string[]> {
  const { key, keyPkcs8Pem, chain: [leaf] } = identity;
  if (!leaf || !equalBytes(key.spki, leaf.spki)) {
    return ["the key is not the certificate's"];
  }
  if (!(await isSamePem(crypto, { key, keyPkcs8Pem }))) {
    return ["the key file is not the certificate's"];
  }
  return [];
}

async function isSamePem(
  crypto: Crypto,
  { key, keyPkcs8Pem }: Pick<NodeIdentity, "key" | "keyPkcs8Pem">,
): Promise<boolean> {
  try {
    const [pkcs8, ...others] = decodePem(keyPkcs8Pem, "PRIVATE KEY");
    if (!pkcs8 || others.length > 0) return false;
    const own = await crypto.exportPkcs8(key.privateKey);
    if (equalBytes(pkcs8, own)) return true;
    // The same key in another form, as other programs write it
    return equalBytes((await crypto.importPkcs8(pkcs8)).spki, key.spki);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof SwarmdError) {
      return false;
    }
    throw error;
  }
}

async function chainProblemOf(
  crypto: Crypto,
  expected: IdentityExpectation & { readonly role: Role },
): Promise<string | undefined> {
  const { identity, role, now, allowExpired = false } = expected;
  const usages = role === "manager"
    ? ["clientAuth", "serverAuth"] as const
    : ["clientAuth"] as const;
  for (const usage of usages) {
    const verdict = await verifyChain(crypto, {
      presented: identity.chain,
      anchors: identity.bundle.roots,
      usage,
      at: now,
    });
    if (verdict.ok || (verdict.provenIssuer && allowExpired)) continue;
    return verdict.detail;
  }
  return undefined;
}

function refused(
  expected: IdentityExpectation,
  problems: readonly string[],
): SwarmdError {
  const what = expected.code === "answer-refused"
    ? "Cannot accept the identity in the answer"
    : "Cannot use the identity on disk";
  return new SwarmdError(expected.code, `${what}: ${problems.join("; ")}`);
}
