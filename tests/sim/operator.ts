import { HOUR, MINUTE } from "../../lib/base/time.ts";
import type { Life } from "../../lib/cluster/expiry.ts";
import type { NodeRecord } from "../../lib/cluster/node.ts";
import { removeNode } from "../../lib/cluster/removal.ts";
import {
  type Change,
  CLUSTER,
  type Transaction,
} from "../../lib/cluster/store.ts";
import type { WorkerMachine } from "./worker_machine.ts";
import type { Fleet } from "./fleet.ts";

/** Part of a certificate's life before its end, in which trouble excuses that it ended. */
const LATE_PART = 0.3;

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
  admit(nodeId: string, admission: NodeRecord["admission"]): void {
    this.#decide(nodeId, {
      done: (record) => !record || record.admission === admission,
      work: (tx) => {
        const node = tx.get("node", nodeId);
        if (node) tx.put("node", nodeId, { ...node, admission });
      },
    });
  }

  /** Replaces the root of the cluster, or changes their mind about it. */
  rotate(): void {
    const { manager, scenario: { rotateMs }, random } = this.#world;
    const { rotation: desk } = manager.manager ?? {};
    if (!desk || !manager.store) return;
    const under = manager.store.view((view) => view.get("cluster", CLUSTER))
      ?.rotation?.phase;
    const turnsBack = under !== undefined && under !== "returning" &&
      random.chance(0.4);
    const wish = { deadlineMs: rotateMs * random.uniform(), quorum: 0.5 };
    manager.log(`operator: ${turnsBack ? "abort" : "rotate"} (${under})`);
    const step = turnsBack ? desk.abort() : desk.start(wish);
    step.catch((error) => manager.log(`operator: ${error}`));
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
    const life = this.#lifeOf(worker);
    if (!life) return undefined;
    const late = life.notAfter - LATE_PART * (life.notAfter - life.issuedAt);
    const { now, manager } = this.#world;
    const calmSince = now - Math.min(worker.calmMs, manager.calmMs);
    if (now < life.notAfter || calmSince < late) return undefined;
    return "its certificate ended in a time of trouble";
  }

  /** Of what it runs with, which may be older than what its bad disk holds. */
  #lifeOf(worker: WorkerMachine): Life | undefined {
    const { held } = worker.worker ?? {};
    if (!held) return this.#world.invariants.certificateOf(worker);
    return { issuedAt: held.issuedAt, notAfter: held.certificate.notAfter };
  }

  #lookAfter(worker: WorkerMachine): void {
    const world = this.#world;
    // What cannot come back by itself is seen soon.
    const patienceMs = worker.spoilt === undefined
      ? world.patienceMs
      : Math.min(world.patienceMs, HOUR);
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
    if (reason === undefined) return;
    worker.log(`operator: ${reason}, so it joins again`);
    if (worker.spoilt !== undefined) worker.disk.wipe();
    worker.command = "join";
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
