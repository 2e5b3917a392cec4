import { HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import type { Life } from "../../lib/cluster/expiry.ts";
import type { NodeRecord } from "../../lib/cluster/node.ts";
import { DEFAULT_RECOVERY_WINDOW_MS } from "../../lib/cluster/cluster.ts";
import { removeNode } from "../../lib/cluster/removal.ts";
import { changeStanding } from "../../lib/cluster/standing.ts";
import type { Change, Transaction } from "../../lib/cluster/store.ts";
import type { WorkerMachine } from "./worker_machine.ts";
import type { Fleet } from "./fleet.ts";

/** A change of a node's record, and when it is done. */
interface Decision {
  readonly done: (record: NodeRecord | undefined) => boolean;
  readonly work: (tx: Transaction) => void;
}

/**
 * The person who looks after the fleet: decides about nodes, and helps machines
 * that cannot help themselves, each with a reason.
 */
export class Operator {
  readonly #world: Fleet;
  /** The newest decision on each node. */
  readonly #decisions = new Map<string, Decision>();

  constructor(world: Fleet) {
    this.#world = world;
  }

  /** Removes a node for good. */
  remove(nodeId: string): void {
    this.#decide(nodeId, {
      done: (record) => record === undefined,
      work: (tx) => {
        const removal = { nodeId, by: "operator", why: "it is to go" };
        removeNode(tx, { ...removal, now: this.#world.now });
      },
    });
  }

  /** Decides whether a node may work. */
  admit(nodeId: string, admission: "active" | "suspended"): void {
    this.#decide(nodeId, {
      done: (record) => !record || record.admission === admission,
      work: (tx) => {
        const before = tx.get("node", nodeId)?.admission;
        if (before === undefined) return;
        const back = before === "conflict" ? "accept" : "resume";
        const change = admission === "suspended" ? "suspend" : back;
        const { now } = this.#world;
        changeStanding(tx, { nodeId, change, now, by: "operator" });
      },
    });
  }

  /** A conflict is not left until the next look: its nodes ask all the while. */
  committed(changes: readonly Change[]): void {
    const conflict = changes.some((change) =>
      change.kind === "node" && change.after?.admission === "conflict" &&
      change.before?.admission !== "conflict"
    );
    if (conflict) this.#world.clock.after(HOUR + MINUTE, () => this.look());
  }

  /** Looks after everybody, and at the token that joiners are given. */
  look(): void {
    void this.#world.manager.showToken();
    for (const worker of this.#world.workers) {
      if (!worker.retired) this.#lookAfter(worker);
    }
  }

  /** Why a machine cannot come back by itself; undefined when it must. */
  reasonFor(worker: WorkerMachine): string | undefined {
    if (worker.spoilt !== undefined) return worker.spoilt;
    if (this.#world.invariants.isCutOff(worker)) return "its root was cut off";
    const life = this.#lifeOf(worker);
    if (!life) return undefined;
    const { now } = this.#world;
    if (now < life.notAfter) return undefined;
    // Nothing there to resume, and perhaps a token of long ago.
    if (worker.command === "join") return "its unit file says `join`";
    const late = life.notAfter + DEFAULT_RECOVERY_WINDOW_MS;
    return now < late ? undefined : "its certificate ended long ago";
  }

  /** Of what it runs with, which may be older than what its bad disk holds. */
  #lifeOf(worker: WorkerMachine): Life | undefined {
    const { held } = worker.worker ?? {};
    if (!held) return this.#world.invariants.certificateOf(worker);
    return { issuedAt: held.issuedAt, notAfter: held.certificate.notAfter };
  }

  #lookAfter(worker: WorkerMachine): void {
    const world = this.#world;
    // What cannot come back by itself is seen soon: also what is started again
    // and again, each time a moment before the look.
    const patienceMs = this.reasonFor(worker) === undefined
      ? world.patienceMs
      : Math.min(world.patienceMs, 10 * SECOND);
    if (worker.calmMs < patienceMs || !world.manager.manager) return;
    const record = world.invariants.records.get(worker.nodeId ?? "");
    if (record?.admission === "conflict") return this.#settle(worker, record);
    if (worker.connected) {
      const good = this.twinsOf(worker).length === 1 &&
        world.invariants.diskProblem(worker) === undefined &&
        !this.#isAsking(worker);
      if (good) worker.spoilt = undefined;
      return;
    }
    const reason = this.reasonFor(worker);
    if (reason === undefined || world.queue.waits(worker)) return;
    worker.log(`operator: ${reason}, so it joins again`);
    if (worker.spoilt !== undefined) worker.disk.wipe();
    worker.command = "join";
    worker.token = undefined;
    worker.mayDieAgain();
    worker.crash("by the operator");
  }

  /** Whether a decision on its node is still to be carried out, such as a removal. */
  #isAsking({ nodeId = "" }: WorkerMachine): boolean {
    const { records } = this.#world.invariants;
    return this.#decisions.get(nodeId)?.done(records.get(nodeId)) === false;
  }

  /** All machines that run with a machine's identity, itself included. */
  twinsOf({ binding, nodeId }: WorkerMachine): WorkerMachine[] {
    return this.#world.machinesOf(binding)
      .filter((each) => !each.retired && each.nodeId === nodeId);
  }

  /** Two machines had one identity: one of them goes. */
  #settle(worker: WorkerMachine, record: NodeRecord): void {
    for (const twin of this.twinsOf(worker)) {
      if (twin !== worker) twin.retire();
    }
    this.admit(record.id, "active");
  }

  #decide(nodeId: string, decision: Decision): void {
    this.#decisions.set(nodeId, decision);
    this.#insist(nodeId, decision);
  }

  /** Asks again until it is so: the manager may be away, or die meanwhile. */
  #insist(nodeId: string, decision: Decision): void {
    const { clock, invariants, manager } = this.#world;
    if (this.#decisions.get(nodeId) !== decision) return;
    if (decision.done(invariants.records.get(nodeId))) return;
    manager.store?.update(decision.work).catch((error) => {
      manager.log(`operator: cannot change ${nodeId}: ${error}`);
    });
    clock.after(MINUTE, () => this.#insist(nodeId, decision));
  }
}
