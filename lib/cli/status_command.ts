import type {
  JoiningStatus,
  LockedStatus,
  ManagerStatus,
  RecoverySummary,
  RenewalStatus,
  WorkerStatus,
} from "../cluster/local_api.ts";
import type { NodeStatus } from "../cluster/local_nodes.ts";
import { localClient } from "./client.ts";
import {
  certificateFacts,
  describeSkew,
  type Fact,
  moment,
} from "./describe.ts";
import type { OperatorOptions } from "./options.ts";
import { formatFacts } from "./output.ts";

type Status = ManagerStatus | WorkerStatus;

/** `status` */
export async function showStatus(options: OperatorOptions): Promise<number> {
  const { host, stateDir } = options;
  const status = await localClient(stateDir, host)
    .get<Status | JoiningStatus | LockedStatus>("/v1/status");
  if (options.json) await host.output.json(status);
  else await host.output.lines(linesOf(status, host.now()));
  return 0;
}

function linesOf(
  status: Status | JoiningStatus | LockedStatus,
  now: number,
): string[] {
  if (status.state === "locked") return lockedLines(status, now);
  if (status.state === "joining") return joiningLines(status, now);
  return statusLines(status, now);
}

function joiningLines(status: JoiningStatus, now: number): string[] {
  const { pending, managers } = status;
  const waits: Fact[] = pending === undefined ? [] : [
    ["waits for", "an operator's word: `swarmd node accept` on a manager"],
    ["as node", pending.node],
    ["key", pending.fingerprint],
  ];
  return formatFacts([
    ["role", status.role],
    ["state", `joining, since ${moment(status.since, now)}`],
    ...waits,
    ["managers", managers.join(" ") || "-"],
    ["version", status.version],
  ]);
}

function lockedLines(status: LockedStatus, now: number): string[] {
  return formatFacts([
    ["role", status.role],
    ["state", `locked, since ${moment(status.since, now)}`],
    ["wants", `the unlock key of version ${status.keyVersion}`],
    ["version", status.version],
  ]);
}

/** `status` for people. */
function statusLines(status: Status, now: number): string[] {
  const since = status.since === undefined
    ? ""
    : `, since ${moment(status.since, now)}`;
  return formatFacts([
    ["role", status.role],
    ["node", status.node || "-"],
    ["cluster", status.cluster || "-"],
    ["state", `${stateOf(status)}${since}`],
    ...(status.role === "worker" ? workerFacts(status) : []),
    ["managers", status.managers.join(" ") || "-"],
    ...(status.role === "manager" ? managerFacts(status) : []),
    ["trust root", status.trustRoot || "-"],
    ...(status.certificate ? certificateFacts(status.certificate, now) : []),
    ...renewalFacts(status.renewal, now),
    ["clock", clockOf(status, now)],
    ["version", status.version],
  ]);
}

function stateOf(status: Status): string {
  return status.role === "worker" && status.manager !== undefined
    ? `${status.state} to ${status.manager}`
    : status.state;
}

function workerFacts(
  { lastError, auditAlarm, recovery }: WorkerStatus,
): Fact[] {
  return [
    ...(recovery === undefined ? [] : recoveryFacts(recovery)),
    ...(lastError === undefined ? [] : [["because", lastError]] as Fact[]),
    ...(auditAlarm === undefined ? [] : [["ALARM", auditAlarm]] as Fact[]),
  ];
}

function recoveryFacts(recovery: RecoverySummary): Fact[] {
  const { reason, state, fingerprint = "", lastError } = recovery;
  const what = state === "pending"
    ? `an operator decides; key ${fingerprint.slice(0, 16)}`
    : "it asks for the next certificate by itself";
  return [
    ["recovery", `${reason}: ${what}`],
    ...(lastError === undefined ? [] : [["last answer", lastError]] as Fact[]),
  ];
}

function managerFacts(status: ManagerStatus): Fact[] {
  const drill: Fact[] = status.drill
    ? [["drill", "yes: certificates may be very short-lived"]]
    : [];
  return [
    ["listens on", status.listen],
    ["nodes", countNodes(status.nodes)],
    ...autolockFacts(status),
    ...drill,
    ...status.alarms.map((alarm): Fact => ["ALARM", alarm]),
  ];
}

function autolockFacts({ autolock }: ManagerStatus): Fact[] {
  return autolock ? [["autolock", "on: each start needs the unlock key"]] : [];
}

function countNodes(nodes: Readonly<Partial<Record<NodeStatus, number>>>) {
  const counts = Object.entries(nodes).filter(([, count]) => count > 0);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const parts = counts.map(([name, count]) => `${count} ${name}`);
  return parts.length === 0 ? "0" : `${total} (${parts.join(", ")})`;
}

function renewalFacts(renewal: RenewalStatus, now: number): Fact[] {
  const due = renewal.dueAt === undefined
    ? ""
    : `, due ${moment(renewal.dueAt, now)}`;
  const facts: Fact[] = [["renewal", `${renewal.state}${due}`]];
  if (renewal.failures > 0 || renewal.lastError !== undefined) {
    const when = renewal.lastAt === undefined
      ? ""
      : `, last ${moment(renewal.lastAt, now)}`;
    facts.push(["failures", `${renewal.failures} in a row${when}`]);
  }
  if (renewal.lastError !== undefined) {
    facts.push(["last failure", renewal.lastError]);
  }
  return facts;
}

function clockOf({ role, clock }: Status, now: number): string {
  if (role === "manager" && clock.skewMs === undefined) return "its own";
  const checked = clock.checkedAt === undefined
    ? ""
    : `, checked ${moment(clock.checkedAt, now)}`;
  const doubt = clock.verified === false ? " (not verified)" : "";
  return `${describeSkew(clock.skewMs)}${doubt}${checked}`;
}
