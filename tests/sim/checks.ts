import { MINUTE, SECOND } from "../../lib/base/time.ts";
import type { WorkerMachine } from "./worker_machine.ts";
import type { World } from "./world.ts";

/** Of a certificate's life: no running node's gets so far (invariant 8). */
const OLD = 0.95;

/**
 * Looks at everything from time to time: whoever has had no trouble for a while
 * must be well.
 */
export class Checks {
  readonly #world: World;
  /** After this long without trouble, a worker is connected. */
  readonly #graceMs: number;

  constructor(world: World) {
    this.#world = world;
    // A half-open connection is noticed after three beats.
    this.#graceMs = 3.5 * world.scenario.heartbeatMs + 3 * MINUTE;
  }

  look(): void {
    const { manager, numbers, workers } = this.#world;
    const [problem] = manager.reported;
    if (problem !== undefined) this.#world.fail(`A listener threw: ${problem}`);
    const sessions = new Set<string>();
    for (const { id } of manager.manager?.desk.sessions ?? []) sessions.add(id);
    numbers.keepOnly(sessions);
    this.#checkRemoved();
    for (const worker of workers) this.#checkWorker(worker);
  }

  /** Whether nothing has been wrong for long enough, here and at the manager. */
  isCalm(worker: WorkerMachine, graceMs = this.#graceMs): boolean {
    const { manager } = this.#world;
    return manager.manager !== undefined && manager.calmMs > graceMs &&
      worker.process !== undefined && worker.calmMs > graceMs;
  }

  #checkRemoved(): void {
    const { manager: { manager }, invariants: { removed }, fail } = this.#world;
    for (const node of removed) {
      if (manager?.desk.sessions.of(node)) {
        fail(`Invariant 3: removed node ${node} has a session`);
      }
    }
  }

  #checkWorker(worker: WorkerMachine): void {
    if (worker.retired || worker.spoilt !== undefined) return;
    this.#checkLife(worker);
    if (this.isCalm(worker)) this.#checkConnected(worker);
  }

  #checkConnected(worker: WorkerMachine): void {
    const world = this.#world;
    const { name, nodeId = "" } = worker;
    const session = world.manager.manager?.desk.sessions.of(nodeId);
    if (!worker.connected || !session?.connection) {
      const { lastError } = worker.worker?.uplink ?? {};
      const { failures } = worker.worker?.renewal ?? {};
      return world.fail(
        `Nothing is wrong with ${name} (node ${nodeId}), and it has no session: ${lastError}, ${failures} renewals failed`,
      );
    }
    if (!world.numbers.isComplete(session.id, 30 * SECOND)) {
      world.fail(
        `Invariant 5: ${name} has not read all of session ${session.id}`,
      );
    }
  }

  #checkLife(worker: WorkerMachine): void {
    const certificate = this.#world.invariants.certificateOf(worker);
    if (!certificate) return;
    const { issuedAt, notAfter } = certificate;
    const life = notAfter - issuedAt;
    const now = this.#world.manager.clock.now();
    const part = (now - issuedAt) / life;
    if (part < OLD || !this.isCalm(worker, this.#graceMs + life / 10)) return;
    this.#world.fail(
      `Invariant 8: the certificate of ${worker.name} is at ${part} of its life`,
    );
  }
}
