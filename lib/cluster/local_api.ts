import type { ErrorCode, Verdict } from "../base/errors.ts";
import type { Role } from "../pki/profile.ts";

// What a running node answers to its operator, as JSON over HTTP on the unix
// socket in its state directory. Times are ISO 8601 in UTC, digests
// `sha256:<hex>`, fingerprints and serials lower-case hex. Fields may be added;
// a client ignores those that it does not know.
//
//   GET /v1/status            ManagerStatus | WorkerStatus
//   GET /v1/nodes             NodeSummary[]
//   GET /v1/nodes/<id>        NodeDetail; the id may be a unique prefix
//   GET /v1/tokens/<role>     TokenSummary
//   GET /v1/ca                CaSummary
//   GET /v1/denylist          DeniedSummary[]
//
//   POST /v1/nodes/remove     { id, force }
//   POST /v1/nodes/suspend    { id }; also resume, promote, demote
//   POST /v1/nodes/renew      { ids, all }
//   POST /v1/leave            {}; on a worker
//
// An answer other than 2xx has an ErrorBody.

/** A certificate, in short. */
export interface CertificateSummary {
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** Subject of the issuer, for people. */
  readonly issuer: string;
  /** SHA-256 of the DER. */
  readonly fingerprint256: string;
}

/**
 * How the cluster sees a node. `joining`: was issued a certificate, not seen
 * yet; `unknown`: the manager has just started and has not heard of it yet.
 */
export type NodeStatus =
  | "joining"
  | "ready"
  | "unknown"
  | "down"
  | "suspended"
  | "conflict";

/** A line of `node ls`. Texts that the node has not told yet are empty. */
export interface NodeSummary {
  readonly id: string;
  readonly hostname: string;
  readonly role: Role;
  readonly status: NodeStatus;
  /** Remote address of its newest session. */
  readonly address: string;
  readonly version: string;
  readonly certificate: CertificateSummary;
  /** Digest of the newest root that it trusts. */
  readonly trustRoot: string;
  readonly lastSeen: string | null;
  /** How far its clock is ahead of the manager's, where that is known. */
  readonly clockSkewMs?: number;
}

/** What `node inspect` shows. */
export interface NodeDetail extends NodeSummary {
  readonly os: string;
  readonly arch: string;
  readonly createdAt: string;
  /** Issued and not presented yet. */
  readonly pending?: CertificateSummary;
  /** Replaced and still accepted, until then. */
  readonly previous?: CertificateSummary & { readonly until: string };
}

/** How a node's renewal is doing. */
export interface RenewalStatus {
  /** A step of docs/trust.md, such as `idle` or `requested`. */
  readonly state: string;
  readonly dueAt?: string;
  /** Failures in a row. */
  readonly failures: number;
  /** Of the last failure. */
  readonly lastError?: string;
  /** Time of the last failure. */
  readonly lastAt?: string;
}

/** What is known of the own clock. */
export interface ClockStatus {
  /** How far it is ahead of the manager's. */
  readonly skewMs?: number;
  readonly checkedAt?: string;
}

interface NodeStatusFacts {
  readonly node: string;
  readonly cluster: string;
  readonly version: string;
  readonly certificate?: CertificateSummary;
  readonly renewal: RenewalStatus;
  readonly clock: ClockStatus;
  /** Digest of the newest root that the node trusts. */
  readonly trustRoot: string;
  /** Where the managers are, `host:port`. */
  readonly managers: readonly string[];
}

/** `status` on a worker. */
export interface WorkerStatus extends NodeStatusFacts {
  readonly role: "worker";
  readonly state: "joining" | "connecting" | "connected" | "waiting";
  /** Address of the manager that holds the session. */
  readonly manager?: string;
  /** Since when it is in this state. */
  readonly since?: string;
  /** Why it has no session. */
  readonly lastError?: string;
}

/** `status` on a manager. */
export interface ManagerStatus extends NodeStatusFacts {
  readonly role: "manager";
  readonly state: "serving";
  readonly since?: string;
  readonly listen: string;
  /** Whether the cluster was made with `--drill`. */
  readonly drill: boolean;
  /** How many nodes there are, by status; statuses without any may be absent. */
  readonly nodes: Readonly<Partial<Record<NodeStatus, number>>>;
  /** What an operator should see to, in sentences. */
  readonly alarms: readonly string[];
}

/** The standing join token of a role. A secret. */
export interface TokenSummary {
  readonly token: string;
}

/** The authority of the cluster. */
export interface CaSummary {
  readonly rootDigest: string;
  readonly pem: string;
  readonly notAfter: string;
  /** Known to managers. */
  readonly generation?: number;
}

/** A line of `denylist ls`. */
export interface DeniedSummary {
  readonly serial: string;
  /** Id of the node that it was issued to. */
  readonly node: string;
  /** The certificate's own end. */
  readonly until: string;
  readonly reason: "superseded" | "removed";
}

/** Why a request was refused. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint?: string;
    readonly verdict?: Verdict;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}
