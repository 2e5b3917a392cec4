import type { AuditEntry, AuditRecord } from "../../lib/cluster/audit.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import type { CertificateRecord, NodeRecord } from "../../lib/cluster/node.ts";
import type { RedemptionRecord } from "../../lib/cluster/redemption.ts";

/** A cluster record whose root key is sealed as the given text. */
export function sampleCluster(sealed: string): ClusterRecord {
  const value = { version: 1, data: sealed };
  const token = { id: "token", key: "aGFzaA==", secret: value, createdAt: 1 };
  return {
    id: "c".repeat(25),
    createdAt: 1,
    ownNode: "own",
    drill: false,
    leafLifeMs: 1,
    heartbeatMs: 1,
    root: { generation: 1, certificate: "Y2VydA==", key: value },
    tokens: { worker: token, manager: token },
    managers: ["127.0.0.1:2377"],
  };
}

/** A node record as large as real ones: about 3 KB. */
export function sampleNode(id: string, createdAt = 1): NodeRecord {
  const certificate = sampleCertificate();
  return {
    id,
    role: "worker",
    admission: "active",
    createdAt,
    certificates: { current: certificate, pending: certificate },
    description: { hostname: "h", os: "linux", arch: "x86_64", version: "1" },
  };
}

/** A redemption whose node id is a number that tests count with. */
export function sampleRedemption(spki: string, at: number): RedemptionRecord {
  return { spki, tokenId: "token", role: "worker", nodeId: String(at), at };
}

/** What is audited, without its number. */
/** An entry without its link, as its writer gave it. */
export function unlinked({ previous: _, ...entry }: AuditRecord) {
  return entry;
}

export function sampleEntry(why: string): AuditEntry {
  return { at: 1, action: "issued", by: "operator", why };
}

function sampleCertificate(): CertificateRecord {
  return {
    fingerprint: "ab".repeat(32),
    serial: "12".repeat(16),
    spki: "cd".repeat(32),
    issuerKeyId: "ef".repeat(20),
    issuer: "CN=swarm-ca",
    role: "worker",
    issuedAt: 1,
    notBefore: 1,
    notAfter: 2,
    chain: ["A".repeat(700)],
  };
}
