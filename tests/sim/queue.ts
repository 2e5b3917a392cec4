import { DAY, MINUTE } from "../../lib/base/time.ts";
import type { Applicant } from "../../lib/cluster/applicant.ts";
import { DEFAULT_RECOVERY_WINDOW_MS } from "../../lib/cluster/cluster.ts";
import type { Change } from "../../lib/cluster/store.ts";
import type { Word } from "../../lib/cluster/waiting.ts";
import type { Fleet } from "./fleet.ts";
import type { WorkerMachine } from "./worker_machine.ts";

/** Within this time whoever waits hears what was decided, and asks again. */
const BOUND_MS = 5 * MINUTE;

type NodeChange = Extract<Change, { kind: "node" }>;

/** The wish of an operator to be asked. */
export interface Approval {
  /** About whoever joins. */
  readonly joins: boolean;
  /** About whoever comes back. */
  readonly recoveries: boolean;
}

/** What it looks at. */
type Watched = Pick<Fleet, "clock" | "manager" | "workers" | "fail">;

/**
 * Invariant 9: where an operator wants to be asked, nobody gets a certificate
 * without a word of his, and whoever waits for one is answered. It keeps its own
 * copy of the queue, from what was committed.
 */
export class Queue {
  readonly #world: Watched;
  /** By the hash of the key. */
  readonly applicants = new Map<string, Applicant>();
  /** The last word on each key, as the audit log has it. */
  readonly #words = new Map<string, Word>();
  /** When each was last written or removed, of the world's time. */
  readonly #changedAt = new Map<string, number>();
  /** Machines that were told that they were rejected, and with which keys. */
  readonly #burnt = new Set<string>();
  approval: Approval = { joins: false, recoveries: false };
  #approvalAt = 0;

  constructor(world: Watched) {
    this.#world = world;
  }

  committed(changes: readonly Change[]): void {
    // By what was so before: a word and what it entitles to are two writes.
    for (const change of changes) {
      if (change.kind === "node") this.#issued(change);
    }
    for (const change of changes) {
      if (change.kind === "audit") this.#audited(change.entry);
      else if (change.kind === "applicant") this.#written(change);
      else if (change.kind === "cluster") this.#settings(change);
    }
  }

  /** Whether a machine can do nothing but wait for an operator. */
  waits({ pendingKey = "" }: WorkerMachine): boolean {
    const applicant = this.applicants.get(pendingKey);
    if (!applicant || applicant.verdict) return false;
    const { joins, recoveries } = this.approval;
    return applicant.kind === "join" ? joins : recoveries;
  }

  /** A machine was told so by a manager that it has verified. */
  rejected(machine: WorkerMachine): void {
    const { name, disk, host } = machine;
    if (disk.image.content.staged) {
      this.#fail(`${name} was rejected, and keeps its key`);
    }
    for (const { address, spki, verdict } of this.applicants.values()) {
      if (address !== host.ip || verdict !== "rejected") continue;
      this.#burnt.add(`${address} ${spki}`);
    }
  }

  /** Looks at all who wait, on both sides. */
  look(): void {
    const { manager: { manager }, workers, clock } = this.#world;
    for (const key of manager?.desk.waitingRoom.keys ?? []) {
      if (this.#isIdle(key)) {
        this.#fail(`${key} waits, and nobody has to say anything of it`);
      }
    }
    for (const worker of workers) {
      if (!this.#isLost(worker)) continue;
      // Its place may have ended a moment ago, as all do after a day.
      clock.after(BOUND_MS / 2, () => {
        if (!this.#isLost(worker)) return;
        this.#fail(`${worker.name} waits, and has no place at the manager`);
      });
    }
  }

  /** Whether it waits, for so long that it should have a place, and has none. */
  #isLost(worker: WorkerMachine): boolean {
    const { manager: { manager, calmMs } } = this.#world;
    if (!manager || manager.clockGuard.alarm !== undefined) return false;
    if (calmMs < BOUND_MS || worker.calmMs < BOUND_MS) return false;
    if (worker.retired || !this.waits(worker)) return false;
    return ![...manager.desk.waitingRoom.keys]
      .includes(worker.pendingKey ?? "");
  }

  /** Whether a place should have ended. */
  #isIdle(key: string): boolean {
    const { clock } = this.#world;
    const before = clock.now - BOUND_MS;
    if ((this.#changedAt.get(key) ?? 0) > before) return false;
    if (this.#approvalAt > before) return false;
    const applicant = this.applicants.get(key);
    if (!applicant || applicant.verdict) return true;
    return applicant.kind === "join" && !this.approval.joins;
  }

  #issued({ before, after }: NodeChange): void {
    if (!after) return;
    const { spki = "" } = after.certificates.pending ?? {};
    const isNew = !before && after.tokenId !== undefined;
    const isBack = after.recoveries?.at(-1) !== before?.recoveries?.at(-1);
    if (!isNew && !(before && isBack)) return;
    const { joins, recoveries } = this.approval;
    const applicant = this.applicants.get(spki);
    const accepted = applicant?.verdict === "accepted" &&
      this.#words.get(spki) === "accepted";
    if ((isNew ? joins : recoveries) && !accepted) {
      this.#fail(`${after.id} got a certificate, and nobody accepted ${spki}`);
    } else if (applicant?.verdict === "rejected" && !this.#isOld(applicant)) {
      this.#fail(`${after.id} got a certificate, and ${spki} was rejected`);
    }
  }

  /** Rejected ones are forgotten after a day, and swept up some time later. */
  #isOld({ at }: Applicant): boolean {
    const { manager: { manager } } = this.#world;
    const { latest } = manager?.clockGuard ?? {};
    return !latest || latest.now() - at >= DAY - MINUTE;
  }

  #audited(
    { action, fingerprint }: { action: string; fingerprint?: string },
  ): void {
    if (fingerprint === undefined) return;
    if (action === "waiting") this.#words.delete(fingerprint);
    if (action === "accepted" || action === "rejected") {
      this.#words.set(fingerprint, action);
    }
  }

  #written({ id, after }: Extract<Change, { kind: "applicant" }>): void {
    const { clock, workers } = this.#world;
    this.#changedAt.set(id, clock.now);
    if (after) this.applicants.set(id, after);
    else this.applicants.delete(id);
    if (!after || after.verdict) return;
    const { address } = after;
    if (!this.#burnt.has(`${address} ${id}`)) return;
    const machine = workers.find(({ host }) => host.ip === address);
    // An old disk brings an old key back.
    if (machine?.spoilt !== undefined) return;
    this.#fail(`${machine?.name} was rejected, and comes with the same key`);
  }

  #settings({ after }: Extract<Change, { kind: "cluster" }>): void {
    const { requireApproval = false, recoveryWindowMs } = after ?? {};
    const windowMs = recoveryWindowMs ?? DEFAULT_RECOVERY_WINDOW_MS;
    const { joins, recoveries } = this.approval;
    const next = { joins: requireApproval, recoveries: windowMs === 0 };
    if (next.joins === joins && next.recoveries === recoveries) return;
    this.approval = next;
    this.#approvalAt = this.#world.clock.now;
  }

  #fail(text: string): void {
    this.#world.fail(`Invariant 9: ${text}`);
  }
}
