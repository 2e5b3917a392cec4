import { fromBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { formatDuration } from "../base/time.ts";
import { renewalFloor } from "../cluster/expiry.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import type { Crypto, KeyPair } from "../pki/crypto.ts";
import {
  checkIdentity,
  type IdentityExpectation,
  type NodeIdentity,
} from "../pki/identity.ts";
import { encodePem } from "../pki/pem.ts";
import type { TrustBundle } from "../pki/trust_bundle.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import { type HeldIdentity, trustDigests } from "./held_identity.ts";

/** What an answer with a certificate is checked against. */
export interface AnswerCase {
  readonly answer: IssuedResult;
  readonly key: KeyPair;
  readonly bundle: TrustBundle;
  /** What the identity must be, as far as it is known. */
  readonly expected: Pick<IdentityExpectation, "clusterId" | "nodeId" | "now">;
}

/**
 * Checks an issued certificate as a whole: key, chain to the bundle, node,
 * cluster, role, validity, and a renewal window that lies ahead. A certificate
 * whose window has passed made Docker ask 70 times a second.
 *
 * @throws {SwarmdError} `answer-refused`, naming everything that is wrong
 */
export async function readAnswer(
  crypto: Crypto,
  { answer, key, bundle, expected }: AnswerCase,
): Promise<HeldIdentity> {
  const chain = await readChain(crypto, answer);
  const pkcs8 = await crypto.exportPkcs8(key.privateKey);
  const keyPkcs8Pem = encodePem("PRIVATE KEY", pkcs8);
  const identity: NodeIdentity = { key, keyPkcs8Pem, chain, bundle };
  const checked = await checkIdentity(crypto, {
    ...expected,
    identity,
    roles: ["worker", "manager"],
    code: "answer-refused",
  });
  const { nodeId: node, clusterId: cluster, role } = checked;
  for (const [name, value] of Object.entries({ node, cluster, role })) {
    const said = answer[name as "node" | "cluster" | "role"];
    if (said === value) continue;
    throw refused(`the certificate is of ${name} ${value}, it says ${said}`);
  }
  const { certificate } = checked;
  const life = { issuedAt: expected.now, notAfter: certificate.notAfter };
  const leftMs = life.notAfter - life.issuedAt;
  if (leftMs < 2 * renewalFloor(life)) {
    throw refused(`the certificate ends in ${formatDuration(leftMs)}`);
  }
  const trust = await trustDigests(crypto, bundle);
  return { ...checked, identity, issuedAt: expected.now, trust };
}

async function readChain(
  crypto: Crypto,
  { chain }: IssuedResult,
): Promise<Certificate[]> {
  try {
    return await Promise.all(
      chain.map((der) => readCertificate(crypto, fromBase64(der))),
    );
  } catch (error) {
    if (!(error instanceof SwarmdError)) throw error;
    throw refused(error.message);
  }
}

function refused(why: string): SwarmdError {
  return new SwarmdError("answer-refused", `Cannot accept the answer: ${why}`);
}
