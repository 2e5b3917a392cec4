import { MINUTE, SECOND } from "../../lib/base/time.ts";
import type { Applicant } from "../../lib/cluster/applicant.ts";
import { DEFAULT_RECOVERY_WINDOW_MS } from "../../lib/cluster/cluster.ts";
import type { Change } from "../../lib/cluster/store.ts";
import type { Word } from "../../lib/cluster/waiting.ts";
import type { StreamRandom } from "../fakes/stream_random.ts";
import type { Fleet } from "./fleet.ts";
import { aWrite } from "./process.ts";
import type { Approval, Queue } from "./queue.ts";
import type { WorkerMachine } from "./worker_machine.ts";

/** Within this time who was accepted has got its certificate, in milliseconds. */
const BOUND_MS = 5 * MINUTE;

/** What the operator may want to be asked about. */
const WISHES: readonly Approval[] = [
  { joins: true, recoveries: false },
  { joins: true, recoveries: true },
  { joins: false, recoveries: true },
];
const NOTHING: Approval = { joins: false, recoveries: false };

/** What he says of who waits; nothing: it is forgotten. */
const WORDS: readonly (readonly Word[])[] = [
  ...Array(6).fill(["accepted"]),
  ["rejected"],
  ["rejected"],
  ["accepted", "rejected"],
  [],
];

/** Who waits, by key and by the node that it would be. */
type Asker = Pick<Applicant, "spki" | "nodeId">;

/** The fleet, and who waits in it. */
type Surroundings = Fleet & { readonly queue: Queue };

/**
 * What the operator does about who comes: at times nobody gets in without a
 * word of his, which comes after a while, changes, or never comes.
 */
export class Approvals {
  readonly #world: Surroundings;
  readonly #random: StreamRandom;
  /** How often each was done. */
  readonly counts = new Map<string, number>();
  #wish = NOTHING;
  /** What he is asked about, as far as he has heard. */
  #approval = NOTHING;
  #ended = false;
  /** Bring machines back that are put away. */
  readonly #away = new Set<() => void>();

  constructor(world: Surroundings, random: StreamRandom) {
    this.#world = world;
    this.#random = random;
  }

  /** From the first joiner on, perhaps. */
  begin(): void {
    if (this.#random.chance(0.4)) this.#switchOn(this.#random.pick(WISHES));
    this.#next();
  }

  /** Whoever still waits is let in. */
  end(): void {
    this.#ended = true;
    for (const back of [...this.#away]) back();
    this.#switch(NOTHING);
  }

  /** He hears of everybody who comes to wait. */
  committed(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === "cluster") this.#heard();
      if (change.kind !== "applicant") continue;
      const { before, after } = change;
      if (!after) continue;
      if (before?.nodeId !== after.nodeId) this.#plan(after);
      else if (before.verdict !== after.verdict) this.#said(after);
    }
  }

  #next(): void {
    const { clock, scenario: { approvalMs } } = this.#world;
    const pauseMs = this.#random.between(approvalMs / 2, 1.5 * approvalMs);
    clock.after(pauseMs, () => {
      if (this.#ended) return;
      if (this.#random.chance(0.4)) this.#putAway();
      else this.#switchOn(this.#random.pick(WISHES));
      this.#next();
    });
  }

  /** For a while. */
  #switchOn(wish: Approval): void {
    const { clock, scenario: { approvalLongMs } } = this.#world;
    this.#switch(wish);
    while (this.#random.chance(0.6)) {
      clock.after(this.#duration(SECOND, approvalLongMs / 3), () => {
        if (!this.#ended) this.#replace();
      });
    }
    clock.after(this.#duration(approvalLongMs / 10, approvalLongMs), () => {
      if (this.#wish === wish) this.#switch(NOTHING);
    });
  }

  /** A machine is set up anew: no fault of every few weeks would make it join now. */
  #replace(): void {
    const machine = this.#random.pick(this.#world.workers);
    if (!machine.connected || machine.spoilt !== undefined) return;
    machine.log("operator: it is set up anew");
    // Or every rotation from now on would wait for a node that is no more.
    if (machine.nodeId) this.#world.operator.remove(machine.nodeId);
    machine.disk.wipe();
    machine.command = "join";
    machine.token = undefined;
    machine.crash("by the operator");
  }

  /** A machine comes back with a certificate that ended, and has to ask. */
  #putAway(): void {
    const { clock, invariants, now, workers } = this.#world;
    const machine = this.#random.pick(workers);
    if (!machine.connected || machine.spoilt !== undefined) return;
    const { notAfter = now } = invariants.certificateOf(machine) ?? {};
    machine.losePower();
    machine.trouble("off");
    const back = () => {
      if (!this.#away.delete(back)) return;
      if (!this.#ended) this.#switchOn(this.#random.pick(WISHES.slice(1)));
      machine.relieve("off");
      machine.start();
    };
    this.#away.add(back);
    clock.after(notAfter - now + this.#duration(SECOND, 30 * MINUTE), back);
  }

  #switch(wish: Approval): void {
    this.#wish = wish;
    this.#insist(wish);
  }

  /** Asks again until it is so: the manager may be away, or die meanwhile. */
  #insist(wish: Approval): void {
    const { clock, queue: { approval } } = this.#world;
    const { joins, recoveries } = wish;
    if (this.#wish !== wish) return;
    if (approval.joins === joins && approval.recoveries === recoveries) return;
    this.#operate("/v1/cluster/update", {
      requireApproval: joins,
      recoveryWindowMs: recoveries ? 0 : DEFAULT_RECOVERY_WINDOW_MS,
    });
    clock.after(MINUTE, () => this.#insist(wish));
  }

  /** Who waited for a word does not any more. */
  #heard(): void {
    const { queue, workers } = this.#world;
    if (queue.approval === this.#approval) return;
    this.#approval = queue.approval;
    for (const worker of workers) {
      const applicant = queue.applicants.get(worker.pendingKey ?? "");
      if (!applicant || queue.waits(worker)) continue;
      worker.disturb("approval was switched off");
    }
  }

  #plan({ spki, nodeId, kind }: Applicant): void {
    const { clock, scenario: { approvalLongMs } } = this.#world;
    let at = this.#duration(SECOND, approvalLongMs / 3);
    if (kind === "recover" && this.#random.chance(0.15)) {
      return void clock.after(at, () => this.#remove({ spki, nodeId }));
    }
    for (const word of this.#random.pick(WORDS)) {
      clock.after(
        at,
        () => this.#say({ spki, nodeId }, { word, pauseMs: MINUTE }),
      );
      at += this.#duration(10, 10 * SECOND);
    }
  }

  /** Again, more and more slowly, while that is still to be said. */
  #say(
    who: Asker,
    said: { readonly word: Word; readonly pauseMs: number },
  ): void {
    const { word, pauseMs } = said;
    const { clock, queue } = this.#world;
    const { spki, nodeId: id } = who;
    const applicant = queue.applicants.get(spki);
    const { verdict } = applicant ?? {};
    if (applicant?.nodeId !== id) return;
    if (verdict === word || verdict === "rejected") return;
    const path = word === "accepted" ? "accept" : "reject";
    if (this.#random.chance(0.3)) this.#disturb(spki);
    this.#operate(`/v1/nodes/${path}`, { id, fingerprint: spki });
    clock.after(pauseMs, () => this.#say(who, { word, pauseMs: 2 * pauseMs }));
  }

  /** Whoever waits to be a node that is gone is told so, and ends. */
  #remove({ spki, nodeId }: Asker): void {
    const { clock, operator, queue, workers } = this.#world;
    const machine = workers.find(({ pendingKey }) => pendingKey === spki);
    if (!machine || queue.applicants.get(spki)?.nodeId !== nodeId) return;
    machine.spoilt ??= "it was removed";
    machine.disturb("it is removed while it waits");
    operator.remove(nodeId);
    clock.after(BOUND_MS, () => this.#checkOut(machine, { spki, nodeId }));
  }

  #checkOut(
    machine: WorkerMachine,
    { spki, nodeId }: Asker,
  ): void {
    const { invariants: { removed }, manager } = this.#world;
    if (machine.pendingKey !== spki || !removed.has(nodeId)) return;
    if (machine.calmMs < BOUND_MS || manager.calmMs < BOUND_MS) return;
    if (!manager.manager) return;
    this.#world.fail(
      `Invariant 9: ${machine.name} was removed while it waited, and goes on`,
    );
  }

  /** The manager, or who waits, dies while this is said, or loses the connection. */
  #disturb(spki: string): void {
    const { manager, workers, network } = this.#world;
    const random = this.#random;
    const machine = workers.find(({ pendingKey }) => pendingKey === spki);
    if (!machine || random.chance(0.3)) {
      return manager.process?.dieAt(aWrite(random));
    }
    if (random.chance(0.3)) return machine.process?.dieAt(aWrite(random));
    const links = network.linksOf(machine.host);
    const link = links.length > 0 ? random.pick(links) : undefined;
    if (random.chance(0.5)) link?.cut();
    else link?.blackHole();
    machine.disturb("connection lost while it waits");
  }

  /** From now on it must come, or join anew. */
  #said({ spki, kind, verdict }: Applicant): void {
    const { clock, workers } = this.#world;
    const machines = workers.filter(({ pendingKey }) => pendingKey === spki);
    for (const machine of machines) {
      machine.disturb(`an operator ${verdict} it`);
      if (verdict === "accepted") {
        clock.after(BOUND_MS, () => this.#checkIn(machine, spki));
      } else if (kind === "recover") machine.spoilt ??= "it was rejected";
    }
  }

  /** Nothing happened since it was accepted, so it has got its certificate. */
  #checkIn(machine: WorkerMachine, spki: string): void {
    const { manager, queue, invariants } = this.#world;
    const applicant = queue.applicants.get(spki);
    if (machine.pendingKey !== spki || applicant?.verdict !== "accepted") {
      return;
    }
    if (machine.calmMs < BOUND_MS || manager.calmMs < BOUND_MS) return;
    if (!manager.manager || manager.manager.clockGuard.alarm) return;
    const frozen = invariants.records.get(applicant.nodeId)?.admission;
    if (applicant.kind === "recover" && frozen !== "active") return;
    if (invariants.isCutOff(machine)) return;
    this.#world.fail(
      `Invariant 9: ${machine.name} was accepted, and does not come`,
    );
  }

  #operate(path: string, body: unknown): void {
    const { manager } = this.#world;
    this.counts.set(path, (this.counts.get(path) ?? 0) + 1);
    manager.operate(path, body)
      .catch((error) => manager.log(`operator: ${path}: ${error}`));
  }

  /** Each order of magnitude as likely as the next. */
  #duration(fromMs: number, toMs: number): number {
    return Math.ceil(fromMs * (toMs / fromMs) ** this.#random.uniform());
  }
}
