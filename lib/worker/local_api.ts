import { type Clock, formatTime } from "../base/time.ts";
import { SwarmdError } from "../base/errors.ts";
import type {
  CaSummary,
  JoiningStatus,
  RecoverySummary,
  WorkerStatus,
} from "../cluster/local_api.ts";
import { encodePem } from "../pki/pem.ts";
import { formatName } from "../pki/names.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import {
  answerLocally,
  type LocalAnswer,
  type LocalRequest,
} from "../rpc/local_answer.ts";
import type { RecoveryView } from "./recovery.ts";
import type { Worker } from "./worker.ts";

/** How long a manager may take to let a node go, in milliseconds. */
const LEAVE_MS = 8_000;

/** What is a manager's, beside all under `/v1/ca/`. */
const MANAGERS_REGEXP =
  /^\/v1\/(?:nodes|applicants|tokens|cluster|denylist|audit|clock|autolock|unlock)(?:\/|$)/;

/** What the operator's API looks at. */
export interface WorkerApiParts {
  readonly worker: Worker;
  readonly clock: Clock;
  readonly version: string;
}

/** Answers the operator of the machine that a worker runs on. */
export async function answerOperator(
  request: LocalRequest,
  parts: WorkerApiParts,
): Promise<LocalAnswer> {
  // Whatever is to be done on a manager gets the same answer as a question.
  const asked = isManagers(request.path)
    ? { ...request, method: "GET" }
    : request;
  return await answerLocally(asked, (path) => route(path, parts), {
    "/v1/leave": () => leave(parts),
  });
}

/** The same, as long as there is no identity. */
export async function answerWhileJoining(
  request: LocalRequest,
  status: JoiningStatus,
): Promise<LocalAnswer> {
  const refuse = () => {
    throw new SwarmdError(
      "precondition",
      "Cannot answer that: this machine is joining, and no node yet",
      { verdict: "stop", hint: "See how far it is with `swarmd status`" },
    );
  };
  const isStatus = request.path === "/v1/status";
  const asked = isStatus ? request : { ...request, method: "GET" };
  return await answerLocally(asked, () => isStatus ? status : refuse());
}

/** Whether only a manager can answer. */
function isManagers(path: string): boolean {
  return /^\/v1\/ca\//.test(path) || MANAGERS_REGEXP.test(path);
}

async function leave({ worker, clock }: WorkerApiParts) {
  const late = new AbortController();
  const cancel = clock.schedule(LEAVE_MS, () => {
    late.abort(new SwarmdError("timed-out", "The manager did not answer"));
  });
  try {
    await worker.leave(late.signal);
    return { id: worker.held.nodeId };
  } finally {
    cancel();
  }
}

function route(path: string, parts: WorkerApiParts): unknown {
  if (path === "/v1/status") return statusOf(parts);
  if (path === "/v1/ca") return caOf(parts);
  if (!isManagers(path)) return undefined;
  throw new SwarmdError("role", "Cannot answer that: this node is a worker", {
    verdict: "stop",
    hint: "Ask on a manager, or name its directory with --state-dir",
  });
}

function caOf({ worker }: WorkerApiParts): CaSummary {
  const newest = worker.newestRoot;
  return {
    rootDigest: worker.trustRoot,
    pem: encodePem("CERTIFICATE", newest.der),
    notAfter: formatTime(newest.notAfter),
  };
}

function statusOf({ worker, version }: WorkerApiParts): WorkerStatus {
  const { uplink, renewal, held } = worker;
  const { certificate } = held;
  const { manager, skew } = uplink;
  const { newest, alarm } = worker.heads;
  return {
    role: "worker",
    node: held.nodeId,
    cluster: held.clusterId,
    version,
    state: uplink.connected ? "connected" : "connecting",
    since: iso(uplink.since),
    ...(manager !== undefined && { manager }),
    ...(uplink.lastError !== undefined && { lastError: uplink.lastError }),
    ...(worker.recovery && { recovery: recoveryOf(worker.recovery) }),
    certificate: {
      serial: certificate.serial,
      notBefore: formatTime(certificate.notBefore),
      notAfter: formatTime(certificate.notAfter),
      issuer: formatName(certificate.issuer),
      fingerprint256: certificate.fingerprint,
    },
    renewal: {
      state: renewal.waits && renewal.step === "idle" ? "waits" : renewal.step,
      dueAt: iso(renewal.dueAt),
      failures: renewal.failures,
      ...(renewal.lastFailure && {
        lastError: renewal.lastFailure.error,
        lastAt: iso(renewal.lastFailure.at),
      }),
    },
    clock: {
      ...(skew && {
        skewMs: Math.round(skew.ms),
        checkedAt: iso(skew.at),
        ...(!skew.isVerified && { verified: false }),
      }),
    },
    trustRoot: worker.trustRoot,
    managers: worker.endpoints.map(formatEndpoint),
    ...(newest && { auditHead: { ...newest, at: iso(newest.at) } }),
    ...(alarm !== undefined && { auditAlarm: alarm }),
  };
}

function recoveryOf(
  { reason, pending, lastError }: RecoveryView,
): RecoverySummary {
  return {
    reason,
    state: pending === undefined ? "asking" : "pending",
    ...(pending !== undefined && { fingerprint: pending }),
    ...(lastError !== undefined && { lastError }),
  };
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
