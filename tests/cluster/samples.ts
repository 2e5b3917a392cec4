import { DAY, HOUR } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import type {
  CertificateRecord,
  NodeRecord,
  PreviousCertificate,
} from "../../lib/cluster/node.ts";
import type { Certificate } from "../../lib/pki/certificate.ts";
import { NO_EXTENSIONS } from "../../lib/pki/extensions.ts";
import { ouOf, type Role } from "../../lib/pki/profile.ts";

/** The moment at which the tests of this folder take place. */
export const NOW = Date.UTC(2026, 0, 1);
export const CLUSTER_ID = "c".repeat(25);
export const NODE_ID = "n".repeat(25);
export const ISSUER = "15".repeat(20);

/** A certificate as the store knows it; issued now, for 90 days. */
export function certificate(
  name: string,
  change: Partial<CertificateRecord> = {},
): CertificateRecord {
  return {
    fingerprint: `print ${name}`,
    serial: `serial ${name}`,
    spki: `spki ${name}`,
    issuerKeyId: ISSUER,
    issuer: "CN=swarm-ca",
    role: "worker",
    issuedAt: NOW,
    notBefore: (change.issuedAt ?? NOW) - HOUR,
    notAfter: NOW + 90 * DAY,
    chain: [`der ${name}`],
    ...change,
  };
}

/** The same, replaced. */
export function previous(name: string, until: number): PreviousCertificate {
  const { chain: _, ...rest } = certificate(name);
  return { ...rest, until };
}

/** A worker that was seen, with one certificate. */
export function node(change: Partial<NodeRecord> = {}): NodeRecord {
  return {
    id: NODE_ID,
    role: "worker",
    admission: "active",
    createdAt: NOW,
    tokenId: "token worker",
    firstSeen: NOW,
    certificates: { current: certificate("current") },
    ...change,
  };
}

/** A cluster that gives leaves 90 days. */
export function cluster(change: Partial<ClusterRecord> = {}): ClusterRecord {
  const sealed = { version: 1, data: "" };
  const token = (role: Role) => ({
    id: `token ${role}`,
    key: "",
    secret: sealed,
    createdAt: NOW,
  });
  return {
    id: CLUSTER_ID,
    createdAt: NOW,
    ownNode: "own",
    drill: false,
    leafLifeMs: 90 * DAY,
    heartbeatMs: 5_000,
    root: { generation: 1, certificate: "", key: sealed },
    tokens: { worker: token("worker"), manager: token("manager") },
    managers: [],
    ...change,
  };
}

/** What admission sees of a leaf: the worker's, named like its record. */
export function leaf(
  name: string,
  change: {
    readonly organization?: string;
    readonly unit?: string;
    readonly node?: string;
    readonly role?: Role;
    readonly notBefore?: number;
    readonly notAfter?: number;
  } = {},
): Certificate {
  const bytes = new Uint8Array();
  const subject = {
    der: bytes,
    attributes: [],
    organization: change.organization ?? CLUSTER_ID,
    organizationalUnit: change.unit ?? ouOf(change.role ?? "worker"),
    commonName: change.node ?? NODE_ID,
  };
  return {
    ...NO_EXTENSIONS,
    der: bytes,
    tbs: bytes,
    version: 3,
    serial: `serial ${name}`,
    signatureAlgorithm: "ecdsa-sha256",
    signature: bytes,
    issuer: { der: bytes, attributes: [], commonName: "swarm-ca" },
    subject,
    notBefore: change.notBefore ?? NOW - HOUR,
    notAfter: change.notAfter ?? NOW + 90 * DAY,
    spki: bytes,
    publicKeyType: "p256",
    publicKeyBits: 256,
    fingerprint: `print ${name}`,
  };
}
