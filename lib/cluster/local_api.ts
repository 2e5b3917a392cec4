import type { ErrorCode, Verdict } from "../base/errors.ts";
import type { Role } from "../pki/profile.ts";
import type {
  CertificateSummary,
  HeadSummary,
  NodeStatus,
} from "./local_nodes.ts";
import type { TokenState } from "./tokens.ts";
import type {
  RotationOutcome,
  RotationPhase,
  Straggler,
} from "./root_record.ts";

// What a running node answers to its operator, as JSON over HTTP on the unix
// socket in its state directory; a few of the questions are answered over TLS,
// too. Who answers what where: docs/protocol.md. Times are ISO 8601 in UTC, those
// in certificates to the second; digests `sha256:<hex>`, fingerprints and serials
// lower-case hex. Fields may be added; a client ignores those that it does not
// know.
//
//   GET /v1/status            ManagerStatus | WorkerStatus | JoiningStatus
//                             | LockedStatus
//   GET /v1/nodes             NodeSummary[]
//   GET /v1/nodes/<id>        NodeDetail; the id may be a unique prefix
//   GET /v1/applicants        ApplicantSummary[]
//   GET /v1/tokens            TokenLine[]
//   GET /v1/tokens/<role>     TokenSummary
//   GET /v1/cluster           ClusterSummary
//   GET /v1/ca                CaSummary
//   GET /v1/ca/status         RotationSummary
//   GET /v1/denylist          DeniedSummary[]
//   GET /v1/audit             AuditSummary
//   GET /v1/drill             counts of a drill, see lib/cli/drill_result.ts
//
//   POST /v1/nodes/remove     { id, force }
//   POST /v1/nodes/suspend    { id }; also resume, promote, demote
//   POST /v1/nodes/renew      { ids, all }
//   POST /v1/nodes/accept     { id, fingerprint? }; also reject
//   POST /v1/nodes/accept-newer {}: AcceptedNewer
//   POST /v1/tokens/create    { role, lifeMs, uses, name? }: CreatedTokenSummary
//   POST /v1/tokens/rotate    { role }: RotatedTokenSummary; also disable
//   POST /v1/tokens/revoke    { id }
//   POST /v1/cluster/update   some of SettingChanges: ClusterSummary
//   POST /v1/clock/accept     {}: AcceptedClock
//   POST /v1/ca/rotate        { deadlineMs?, quorum?, trustFirst?, authority? }:
//                             RotationSummary, without id where only the
//                             servers of the authority changed; also abort,
//                             finish: {}
//   POST /v1/audit/page       { after }: AuditRecord[], as they are hashed
//   POST /v1/audit/next       { after }: the same, as soon as there are any
//   POST /v1/ca/rehearse      as rotate: RehearsalSummary
//   POST /v1/ca/cut-off       { cutAll }: CutSummary
//   POST /v1/drill/end        {}: counts are final where `ended` says so
//   POST /v1/leave            {}; on a worker
//   POST /v1/unlock           { unlockKey }; on a locked manager
//   POST /v1/autolock/offer   {}: a new unlock key, which does not count yet
//   POST /v1/autolock/lock    { unlockKey }: from now on it counts
//   POST /v1/autolock/key     {}: the one that counts
//   POST /v1/autolock/off     {}
//
// An answer other than 2xx has an ErrorBody.

/** How a node's renewal is doing. */
export interface RenewalStatus {
  /** A step of docs/trust.md, such as `idle` or `requested`; or `waits`. */
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
  /** False where no manager could be verified, for the clocks' sake. */
  readonly verified?: boolean;
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

/** How a node comes back whose certificate is not good any more. */
export interface RecoverySummary {
  /** What is wrong with the certificate, such as `expired`. */
  readonly reason: string;
  /** Asking by itself, or waiting for an operator. */
  readonly state: "asking" | "pending";
  /** Of the new key (SubjectPublicKeyInfo), lower-case hex; while pending. */
  readonly fingerprint?: string;
  /** Of the last failure. */
  readonly lastError?: string;
}

/** `status` on a worker. */
export interface WorkerStatus extends NodeStatusFacts {
  readonly role: "worker";
  readonly state: "connecting" | "connected";
  /** Address of the manager that holds the session. */
  readonly manager?: string;
  /** Since when it is in this state. */
  readonly since?: string;
  /** Why it has no session. */
  readonly lastError?: string;
  /** Of a node whose certificate is not good any more. */
  readonly recovery?: RecoverySummary;
  /** Newest head of its manager's audit log that it keeps. */
  readonly auditHead?: HeadSummary;
  /** What a manager said that its log cannot say, in a sentence. */
  readonly auditAlarm?: string;
}

/** `status` on a worker that has no identity to run with yet. */
export interface JoiningStatus {
  readonly role: "worker";
  readonly state: "joining";
  readonly since: string;
  readonly version: string;
  /** Addresses that it asks, in this order. */
  readonly managers: readonly string[];
  /** As whom it waits for an operator's word. */
  readonly pending?: {
    readonly node: string;
    /** SHA-256 of its key (SubjectPublicKeyInfo), lower-case hex. */
    readonly fingerprint: string;
  };
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
  /** Whether a start needs the unlock key. */
  readonly autolock?: boolean;
  /** What an operator should see to, in sentences. */
  readonly alarms: readonly string[];
}

/** `status` on a manager that waits for its unlock key. */
export interface LockedStatus {
  readonly role: "manager";
  readonly state: "locked";
  readonly since: string;
  readonly version: string;
  /** Version of the unlock key that is wanted. */
  readonly keyVersion: number;
}

/** The standing join token of a role. A secret. */
export interface TokenSummary {
  readonly token: string;
}

/** A line of `token ls`: everything but the secret. */
export interface TokenLine {
  readonly id: string;
  readonly kind: "standing" | "created";
  readonly role: Role;
  readonly state: TokenState;
  readonly createdAt: string;
  /** Absent: for ever. */
  readonly expiresAt?: string;
  /** Absent: without end. */
  readonly usesLeft?: number;
  /** Host name that the node must have; absent: any. */
  readonly name?: string;
}

/** A token that was just made. `token` is a secret, and told only here. */
export interface CreatedTokenSummary {
  readonly id: string;
  readonly token: string;
  readonly role: Role;
  readonly expiresAt: string;
  readonly usesLeft: number;
  readonly name?: string;
}

/** A standing token that was just made. `token` is a secret. */
export interface RotatedTokenSummary {
  readonly id: string;
  readonly token: string;
  readonly role: Role;
}

/** A line of `node ls --pending`: who waits for an operator's word. */
export interface ApplicantSummary {
  /** Id of the node that it becomes, or is again. */
  readonly id: string;
  /** SHA-256 of its key (SubjectPublicKeyInfo), lower-case hex. */
  readonly fingerprint: string;
  readonly kind: "join" | "recover";
  /** `accepted`: it has not come back for its certificate yet. */
  readonly state: "waiting" | "accepted";
  readonly role: Role;
  readonly hostname: string;
  readonly address: string;
  /** Id of the token that it came with. */
  readonly token?: string;
  readonly since: string;
  readonly why: string;
}

/** What `node accept --newer-than-store` did. */
export interface AcceptedNewer {
  /** Ids of nodes. */
  readonly accepted: readonly string[];
  readonly left: readonly LeftOver[];
}

/** Who still waits to recover, for a person to compare. */
export interface LeftOver {
  readonly id: string;
  /** SHA-256 of its key (SubjectPublicKeyInfo), lower-case hex. */
  readonly fingerprint: string;
  readonly why: string;
}

/** The clock of a manager that an operator took for right. */
export interface AcceptedClock {
  readonly now: string;
  /** What the time was taken for until then. */
  readonly expected: string;
}

/** The cluster and its settings. Settings may be added. */
export interface ClusterSummary {
  readonly id: string;
  readonly createdAt: string;
  readonly drill: boolean;
  readonly managers: readonly string[];
  /** Life of the next certificates, in milliseconds. */
  readonly certExpiryMs: number;
  readonly requireApproval: boolean;
  /** How long after its end a certificate brings a node back; 0: never. */
  readonly recoveryWindowMs: number;
  /** How often in 90 days. */
  readonly recoveryLimit: number;
}

/** The authority of the cluster. */
export interface CaSummary {
  readonly rootDigest: string;
  readonly pem: string;
  readonly notAfter: string;
  /** Known to managers. */
  readonly generation?: number;
}

/** Where the rotation of the root stands: `ca status`. */
export interface RotationSummary {
  readonly phase: "stable" | RotationPhase;
  /** Of the rotation; absent while there is none. */
  readonly id?: string;
  /** Digest of the root that stays until the rotation ends. */
  readonly root: string;
  /** Digest of the root that is to come. */
  readonly target?: string;
  readonly done: number;
  readonly total: number;
  readonly stragglers: readonly Straggler[];
  readonly startedAt?: string;
  readonly deadline?: string;
  /** What an operator should see to, in sentences; absent: nothing. */
  readonly alarms?: readonly string[];
  /** The rotation that ended last. */
  readonly lastRotation?: EndedSummary & {
    /**
     * Whom it ended without, at most 10,000. Absent while another rotation is
     * under way.
     */
    readonly stragglers?: readonly Straggler[];
    /** Stragglers that are not listed; absent: none. */
    readonly more?: number;
    /** Those that ended before it, newest first, at most 16. */
    readonly before: readonly EndedSummary[];
  };
}

/** A rotation of the root that is over. */
export interface EndedSummary {
  readonly id: string;
  readonly outcome: RotationOutcome;
  /** Digest of the root that the cluster had then. */
  readonly root: string;
  readonly at: string;
}

/** What `ca rotate --dry-run` came to. */
export interface RehearsalSummary {
  /** Why no rotation can begin at all. */
  readonly obstacle?: string;
  /** Digest of the root of the authority that was given, and is good. */
  readonly target?: string;
  /** It is the present one, with other servers: no rotation is needed. */
  readonly onlyServers?: true;
  /** Connected nodes whose renewal would go well. */
  readonly ready: number;
  /** Who could not follow: by its version, or by how the rehearsal went. */
  readonly problems: readonly Straggler[];
  /** Ids of nodes that are not connected. */
  readonly absent: readonly string[];
}

/** Whom `ca rotate --compromised` reached. */
export interface CutSummary {
  /** Digest of the new root. */
  readonly root: string;
  /** Ids of nodes that were connected. */
  readonly carried: readonly string[];
  /** Ids of all others: they have to join again. */
  readonly left: readonly string[];
  /** The same, each with the reason. */
  readonly stragglers: readonly Straggler[];
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

/** Where the audit log ends. */
export interface AuditSummary {
  /** Number of the newest entry. */
  readonly last: number;
  /** The newest head that was signed. */
  readonly head?: HeadSummary;
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
