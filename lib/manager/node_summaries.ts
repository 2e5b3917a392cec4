import { type Clock, formatTime } from "../base/time.ts";
import type {
  AdmissionSummary,
  CertificateDetail,
  CertificateSummary,
  ConflictSummary,
  NodeDetail,
  NodeStatus,
  NodeSummary,
} from "../cluster/local_nodes.ts";
import type {
  CertificateRecord,
  Conflict,
  NodeRecord,
} from "../cluster/node.ts";
import { headSummary } from "./audit_desk.ts";
import type { Sessions } from "./sessions.ts";

/** What a look at nodes is made from. */
export interface NodeLook {
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** Id of this manager's node. */
  readonly nodeId: string;
  /** Digest of the root that this manager trusts. */
  readonly root: string;
}

/** A line of `node ls`. */
export function nodeSummary(node: NodeRecord, look: NodeLook): NodeSummary {
  const { sessions, clock, root } = look;
  const session = sessions.of(node.id);
  const own = node.id === look.nodeId;
  const status = statusOf(node, look);
  const seen = own
    ? clock.now()
    : sessions.lastSeen(node.id) ?? node.absentSince;
  const { current, pending } = node.certificates;
  const description = session?.description ?? node.description;
  const { skewMs, problem, connection } = session ?? {};
  const address = connection?.connection.facts.remote.host ?? node.address;
  return {
    id: node.id,
    hostname: description?.hostname ?? "",
    role: node.role,
    status,
    address: address ?? "",
    version: description?.version ?? "",
    certificate: certificateSummary(current ?? pending),
    trustRoot: own ? root : session?.trustRoot ?? "",
    lastSeen: seen === undefined ? null : iso(seen),
    ...(status === "down" && downSince(node, look)),
    ...(problem !== undefined && { problem }),
    ...(node.conflict && { conflict: conflictSummary(node.conflict) }),
    ...(skewMs !== undefined && { clockSkewMs: Math.round(skewMs) }),
  };
}

/** All that is known of a node, but its secrets: there are none here. */
export function nodeDetail(node: NodeRecord, look: NodeLook): NodeDetail {
  const { certificates: { current, pending, previous } } = node;
  const session = look.sessions.of(node.id);
  const { os = "", arch = "" } = session?.description ?? node.description ?? {};
  const { keptHead } = session ?? {};
  return {
    ...nodeSummary(node, look),
    os,
    arch,
    createdAt: iso(node.createdAt),
    ...(node.firstSeen !== undefined && { firstSeen: iso(node.firstSeen) }),
    admission: node.admission,
    admitted: admissionSummary(node),
    trusts: node.trusts ?? null,
    recoveries: (node.recoveries ?? []).map(iso),
    ...(keptHead && { auditHead: headSummary(keptHead) }),
    certificate: certificateDetail(current ?? pending),
    ...(pending && { pending: certificateDetail(pending) }),
    ...(previous && {
      previous: { ...certificateDetail(previous), until: iso(previous.until) },
    }),
  };
}

/** A certificate, in short; without one every text is empty. */
export function certificateSummary(
  record?: CertificateRecord,
): CertificateSummary {
  return {
    serial: record?.serial ?? "",
    notBefore: record ? formatTime(record.notBefore) : "",
    notAfter: record ? formatTime(record.notAfter) : "",
    issuer: record?.issuer ?? "",
    fingerprint256: record?.fingerprint ?? "",
  };
}

function certificateDetail(record?: CertificateRecord): CertificateDetail {
  return {
    ...certificateSummary(record),
    keyFingerprint256: record?.spki ?? "",
    issuerKeyId: record?.issuerKeyId ?? "",
    role: record?.role ?? "worker",
    issuedAt: record ? iso(record.issuedAt) : "",
    ...(record?.chain && { chain: record.chain }),
  };
}

function admissionSummary({ tokenId, approved }: NodeRecord): AdmissionSummary {
  if (tokenId === undefined) return { by: "init" };
  return { by: "token", token: tokenId, ...(approved && { approved }) };
}

function conflictSummary({ at, addresses }: Conflict): ConflictSummary {
  return { since: iso(at), addresses };
}

/** How the cluster sees a node. */
export function statusOf(node: NodeRecord, look: NodeLook): NodeStatus {
  const { sessions, heartbeatMs, nodeId } = look;
  if (node.id === nodeId) return "ready";
  if (node.admission !== "active") return node.admission;
  const liveness = sessions.liveness(node.id);
  if (liveness === "ready") return "ready";
  if (node.firstSeen === undefined) return "joining";
  return liveness === "unknown" && sessions.isNew(heartbeatMs)
    ? "unknown"
    : "down";
}

function downSince(node: NodeRecord, { sessions, heartbeatMs }: NodeLook) {
  const since = sessions.unseenSince(node, heartbeatMs);
  return since !== undefined && { downSince: iso(since) };
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
