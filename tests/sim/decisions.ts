import type { AuditEntry } from "../../lib/cluster/audit.ts";
import { ChainWalk } from "../../lib/cluster/audit_chain.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import type { CertificateRecord, NodeRecord } from "../../lib/cluster/node.ts";
import type { Change, Store } from "../../lib/cluster/store.ts";
import { sha256 } from "../fakes/sha256.ts";

/** What the log may say besides: no record shows it, or not for a decision alone. */
const WITHOUT_RECORD: ReadonlySet<AuditEntry["action"]> = new Set([
  "cluster-made",
  "refused",
  "waiting",
]);

/** Entries that are read at a time. */
const PAGE = 1_000;

/**
 * Whether the audit log says what was decided: in each transaction as many
 * entries as decisions, and all of them in one chain.
 */
export class Decisions {
  readonly #fail: (text: string) => void;
  readonly #walk = new ChainWalk({
    sha256: (data) => Promise.resolve(sha256(data)),
  });
  /** Entries that were committed. */
  #entries: number;

  /** @param entries that the log has already, whoever wrote them */
  constructor(fail: (text: string) => void, entries = 0) {
    this.#fail = fail;
    this.#entries = entries;
  }

  /** One transaction was committed. */
  committed(changes: readonly Change[]): void {
    const said: string[] = [];
    for (const change of changes) {
      if (change.kind !== "audit") continue;
      this.#entries++;
      const { action, node = "" } = change.entry;
      if (!WITHOUT_RECORD.has(action)) said.push(`${action} ${node}`.trim());
    }
    const wanted = changes.flatMap(decisionsIn);
    const [has, wants] = [said, wanted].map((each) => each.toSorted().join());
    if (has === wants) return;
    this.#fail(`Invariant 4: decided "${wants}", and the log says "${has}"`);
  }

  /** Reads on in the log. */
  async look(store: Store): Promise<void> {
    for (;;) {
      const after = this.#walk.checked;
      const entries = await store.entries("audit", { after, limit: PAGE });
      const broken = await this.#walk.read(entries);
      if (broken) return this.#fail(`The audit log is broken: ${broken.why}`);
      if (entries.length < PAGE) break;
    }
    const { checked } = this.#walk;
    if (checked === this.#entries) return;
    this.#fail(`The log has ${checked} entries, of ${this.#entries} decisions`);
  }
}

/** The decisions that a change carries out, as the log has to name them. */
function decisionsIn(change: Change): string[] {
  if (change.kind === "node") return nodeDecisions(change);
  if (change.kind === "applicant") return wordOn(change);
  if (change.kind !== "cluster") return [];
  const { before, after } = change;
  if (!before || !after) return [];
  return [
    ...(rootState(before) === rootState(after) ? [] : ["rotation"]),
    ...(settingsOf(before) === settingsOf(after) ? [] : ["cluster-changed"]),
    ...tokenDecisions(before, after),
  ];
}

function tokenDecisions(before: ClusterRecord, after: ClusterRecord): string[] {
  return (["worker", "manager"] as const).flatMap((role) => {
    const [was, is] = [before.tokens[role], after.tokens[role]];
    if (was.id !== is.id) return ["token-rotated"];
    return was.disabledAt === is.disabledAt ? [] : ["token-revoked"];
  });
}

function wordOn(
  { before, after }: Extract<Change, { kind: "applicant" }>,
): string[] {
  if (!after?.verdict || after.verdict === before?.verdict) return [];
  return [`${after.verdict} ${after.nodeId}`];
}

function rootState({ root, rotation }: ClusterRecord): string {
  const { id, phase, finishAt, cross } = rotation ?? {};
  return JSON.stringify([root.certificate, id, phase, finishAt, cross]);
}

function settingsOf(cluster: ClusterRecord): string {
  const { requireApproval, recoveryWindowMs, recoveryLimit, leafLifeMs } =
    cluster;
  return JSON.stringify([
    requireApproval,
    recoveryWindowMs,
    recoveryLimit,
    leafLifeMs,
  ]);
}

function nodeDecisions(
  { id, before, after }: Extract<Change, { kind: "node" }>,
): string[] {
  if (!after) return [`removed ${id}`];
  // The first manager is part of the cluster that is made.
  if (!before && after.tokenId === undefined) return [];
  return [
    ...certificateDecisions(before, after),
    ...admissionDecision(before, after),
  ].map((action) => `${action} ${id}`);
}

function certificateDecisions(
  before: NodeRecord | undefined,
  { certificates: { current, pending }, recoveries = [] }: NodeRecord,
): string[] {
  const known = before?.certificates ?? {};
  const isNew = (certificate?: CertificateRecord) =>
    certificate !== undefined &&
    certificate.fingerprint !== known.current?.fingerprint &&
    certificate.fingerprint !== known.pending?.fingerprint;
  const isBack = recoveries.at(-1) !== before?.recoveries?.at(-1);
  const promoted = current !== undefined &&
    current.fingerprint === known.pending?.fingerprint;
  return [
    ...(isNew(pending) ? [isBack ? "recovered" : "issued"] : []),
    ...(promoted ? ["promoted"] : []),
  ];
}

function admissionDecision(
  before: NodeRecord | undefined,
  { admission }: NodeRecord,
): string[] {
  const was = before?.admission ?? "active";
  if (was === admission) return [];
  if (admission !== "active") return [admission];
  return [was === "conflict" ? "accepted" : "resumed"];
}
