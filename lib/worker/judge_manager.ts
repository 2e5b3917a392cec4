import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { formatTime } from "../base/time.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import { checkLeaf } from "../pki/profile.ts";
import type { Connection } from "../rpc/connection.ts";
import type { VoidManager } from "./state.ts";
import { isVoid } from "./void_managers.ts";

/** Who a manager must be. */
export interface ManagerExpectation {
  /** Absent while joining: then the certificate says it, and it is pinned. */
  readonly clusterId?: string;
  /** Wall clock, in milliseconds. */
  readonly now: number;
  /** Managers' certificates that were called void. */
  readonly voids: readonly VoidManager[];
}

/** A manager that was judged good. */
export interface JudgedManager {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly certificate: Certificate;
}

/**
 * Decides who is answering (trust.md §2.3): the one place in the worker. TLS has
 * verified the chain and the name `swarm-manager`; this looks at what TLS does
 * not: the cluster, the role, the version and the profile, and what the worker
 * was told of nodes that are managers no more.
 *
 * @throws {SwarmdError} `tls` or `foreign-cluster`
 */
export async function judgeManager(
  crypto: Crypto,
  connection: Connection,
  expected: ManagerExpectation,
): Promise<JudgedManager> {
  const [der] = connection.facts.presented;
  if (!der) throw refused("tls", "it presented no certificate");
  const leaf = await readLeaf(crypto, der);
  const clusterId = expected.clusterId ?? leaf.subject.organization ?? "";
  if (leaf.subject.organization !== clusterId) {
    throw refused(
      "foreign-cluster",
      `it is of cluster "${
        leaf.subject.organization ?? ""
      }", want "${clusterId}"`,
    );
  }
  const { dnsNames, ipAddresses } = leaf;
  const problems = checkLeaf(leaf, {
    clusterId,
    roles: ["manager"],
    dnsNames,
    ipAddresses,
  });
  if (leaf.notBefore > expected.now) {
    problems.push(`it is valid from ${formatTime(leaf.notBefore)}`);
  }
  if (leaf.notAfter <= expected.now) {
    problems.push(`it ended at ${formatTime(leaf.notAfter)}`);
  }
  if (problems.length > 0) throw refused("tls", problems.join("; "));
  const nodeId = leaf.subject.commonName ?? "";
  if (isVoid(leaf, expected.voids)) {
    const why = `a manager called the certificate of node ${nodeId} void`;
    throw refused("tls", `${why}: it was demoted, removed, or has a newer one`);
  }
  return { nodeId, clusterId, certificate: leaf };
}

async function readLeaf(crypto: Crypto, der: Bytes): Promise<Certificate> {
  try {
    return await readCertificate(crypto, der);
  } catch (error) {
    if (!(error instanceof SwarmdError)) throw error;
    throw refused("tls", error.message);
  }
}

function refused(code: "tls" | "foreign-cluster", why: string): SwarmdError {
  return new SwarmdError(
    code,
    `Cannot trust the manager's certificate: ${why}`,
  );
}
