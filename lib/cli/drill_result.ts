import { formatDuration } from "../base/time.ts";
import type { DrillReading } from "../cluster/drill.ts";
import { formatTable } from "./output.ts";

/** What a manager of a drill cluster tells of one worker. */
export interface WorkerTraffic {
  readonly node: string;
  readonly written: number;
  readonly read: DrillReading;
  readonly theirWritten: number;
  readonly theirRead?: DrillReading;
  /** Whether the worker has said its last number; then all counts are final. */
  readonly ended: boolean;
}

/** What a manager of a drill cluster tells. */
export interface ManagerTraffic {
  readonly workers: readonly WorkerTraffic[];
  /** Handshakes that admission refused. */
  readonly refused: number;
  readonly issued: number;
}

/** What a drill saw. */
export interface DrillFacts {
  readonly seconds: number;
  readonly workers: number;
  /** Life of a certificate, in milliseconds. */
  readonly lifeMs: number;
  readonly traffic: ManagerTraffic;
  /** Renewals by node id, the manager's too. */
  readonly renewals: ReadonlyMap<string, number>;
  /** How often a session was interrupted, by node id. */
  readonly interruptions: ReadonlyMap<string, number>;
  readonly manager: string;
  /** What the proxy did; absent without `--faults`. */
  readonly faults?: Readonly<Record<string, number>> & {
    readonly seed: number;
  };
  /** What went wrong besides the numbers. */
  readonly problems: readonly string[];
}

/** One worker's line of the table. */
export interface DrillRow {
  readonly node: string;
  readonly renewals: number;
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly longestGapMs: number;
  readonly interruptions: number;
}

/** The result of a drill; what `--json` writes. */
export interface DrillResult {
  readonly clean: boolean;
  readonly problems: readonly string[];
  readonly seconds: number;
  readonly certificatesIssued: number;
  readonly handshakesRefused: number;
  readonly managerRenewals: number;
  readonly messages: Pick<
    DrillRow,
    "sent" | "received" | "lost" | "duplicated" | "reordered"
  >;
  readonly longestGapMs: number;
  readonly nodes: readonly DrillRow[];
  readonly faults?: DrillFacts["faults"];
}

/** A node that renews as late as it may, at 80 % of each life, does so. */
const LATEST_RENEWAL = 0.8;
/** More is not asked of a long drill, where a few are by chance early or late. */
const MAX_WANTED_RENEWALS = 3;
/** Cuts that a drill with faults must have survived, however short it is. */
const MIN_CUTS = 100;

/** Judges a drill: clean only if every number says so. */
export function judgeDrill(facts: DrillFacts): DrillResult {
  const nodes = facts.traffic.workers.map((worker) => rowOf(worker, facts));
  const total = (pick: (row: DrillRow) => number) =>
    nodes.reduce((sum, row) => sum + pick(row), 0);
  const messages = {
    sent: total((row) => row.sent),
    received: total((row) => row.received),
    lost: total((row) => row.lost),
    duplicated: total((row) => row.duplicated),
    reordered: total((row) => row.reordered),
  };
  const problems = [
    ...facts.problems,
    ...numbersProblems(facts, messages),
    ...nodes.flatMap((row) => rowProblems(row, wantedRenewals(facts))),
  ];
  return {
    clean: problems.length === 0,
    problems,
    seconds: facts.seconds,
    certificatesIssued: facts.traffic.issued,
    handshakesRefused: facts.traffic.refused,
    managerRenewals: facts.renewals.get(facts.manager) ?? 0,
    messages,
    longestGapMs: Math.max(0, ...nodes.map((row) => row.longestGapMs)),
    nodes,
    ...(facts.faults && { faults: facts.faults }),
  };
}

function rowOf(worker: WorkerTraffic, facts: DrillFacts): DrillRow {
  const { node, read, theirRead, written, theirWritten } = worker;
  const both = (pick: (reading: DrillReading) => number) =>
    pick(read) + (theirRead ? pick(theirRead) : 0);
  const gap = Math.max(read.longestGapMs, theirRead?.longestGapMs ?? 0);
  return {
    node,
    renewals: facts.renewals.get(node) ?? 0,
    sent: written + theirWritten,
    received: both((reading) => reading.received),
    lost: missing(theirWritten, read) + missing(written, theirRead),
    duplicated: both((reading) => reading.duplicated),
    reordered: both((reading) => reading.reordered),
    longestGapMs: Math.round(gap),
    interruptions: facts.interruptions.get(node) ?? 0,
  };
}

/** A reader finds gaps, but not that the end never came. */
function missing(written: number, read?: DrillReading): number {
  const { received, duplicated, lost } = read ?? NOTHING_READ;
  return Math.max(lost, written - (received - duplicated));
}

const NOTHING_READ = { received: 0, duplicated: 0, lost: 0 };

function numbersProblems(
  facts: DrillFacts,
  messages: DrillResult["messages"],
): string[] {
  const problems: string[] = [];
  const { faults, traffic, workers } = facts;
  if (traffic.workers.length !== workers) {
    problems.push(
      `${traffic.workers.length} of ${workers} workers had traffic`,
    );
  }
  const unended = traffic.workers.filter(({ ended }) => !ended).length;
  if (unended > 0) {
    problems.push(`the last number of ${unended} workers never arrived`);
  }
  for (const what of ["lost", "duplicated", "reordered"] as const) {
    if (messages[what] > 0) problems.push(`${messages[what]} messages ${what}`);
  }
  if (traffic.refused > 0) {
    problems.push(`${traffic.refused} handshakes refused`);
  }
  const cuts = faults?.["cuts"] ?? MIN_CUTS;
  if (cuts < MIN_CUTS) problems.push(`only ${cuts} cuts, want ${MIN_CUTS}`);
  if ((facts.renewals.get(facts.manager) ?? 0) === 0) {
    problems.push("the manager's certificate was never renewed");
  }
  return problems;
}

/** Without so many renewals of each certificate the drill showed nothing. */
function wantedRenewals({ seconds, lifeMs }: DrillFacts): number {
  const sure = Math.floor(seconds * 1_000 / (lifeMs * LATEST_RENEWAL));
  return Math.max(1, Math.min(MAX_WANTED_RENEWALS, sure));
}

function rowProblems(row: DrillRow, wanted: number): string[] {
  const problems: string[] = [];
  if (row.renewals < wanted) {
    problems.push(`${row.node} renewed ${row.renewals} times, want ${wanted}`);
  }
  if (row.received === 0) problems.push(`${row.node} exchanged nothing`);
  if (row.interruptions > 0) {
    problems.push(`${row.node} lost its session ${row.interruptions} times`);
  }
  return problems;
}

/** The result for people. */
export function drillLines(result: DrillResult): string[] {
  const rows = result.nodes.map((row) => [
    row.node,
    String(row.renewals),
    String(row.sent),
    String(row.received),
    String(row.lost),
    String(row.duplicated),
    String(row.reordered),
    formatDuration(row.longestGapMs),
  ]);
  const heading = [
    "NODE",
    "RENEWALS",
    "SENT",
    "RECEIVED",
    "LOST",
    "REPEATED",
    "REORDERED",
    "LONGEST GAP",
  ];
  const { messages, faults } = result;
  return [
    ...formatTable(heading, rows),
    "",
    `certificates issued  ${result.certificatesIssued}`,
    `manager renewals     ${result.managerRenewals}`,
    `messages             ${messages.sent} sent, ${messages.lost} lost, ${messages.duplicated} repeated, ${messages.reordered} reordered`,
    `longest gap          ${formatDuration(result.longestGapMs)}`,
    `handshakes refused   ${result.handshakesRefused}`,
    ...(faults ? [`faults               ${faultText(faults)}`] : []),
    "",
    result.clean
      ? `clean: nothing was lost in ${Math.round(result.seconds)} s`
      : `NOT clean: ${result.problems.join("; ")}`,
  ];
}

function faultText(faults: NonNullable<DrillFacts["faults"]>): string {
  const { seed, ...counts } = faults;
  const texts = Object.entries(counts).map(([what, n]) =>
    `${n} ${what === "halfCloses" ? "half-closes" : what}`
  );
  return `${texts.join(", ")} (seed ${seed})`;
}
