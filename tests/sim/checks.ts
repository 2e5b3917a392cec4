import { HOUR, SECOND } from "../../lib/base/time.ts";
import type { WorkerEvent } from "../../lib/worker/ports.ts";
import type { WorkerMachine } from "./worker_machine.ts";
import type { Fleet } from "./fleet.ts";

/** Of a certificate's life: no running node's gets so far (invariant 8). */
const OLD = 0.95;

/** After this long two machines with one identity must have been noticed, in milliseconds. */
const TWINS_MS = HOUR;

/** Within this time a session has moved, in milliseconds. */
const MOVE_MS = 10 * SECOND;

/**
 * Looks at everything from time to time: whoever has had no trouble for a while
 * must be well.
 */
export class Checks {
  readonly #world: Fleet;

  constructor(world: Fleet) {
    this.#world = world;
  }

  look(): void {
    const { manager, numbers, workers } = this.#world;
    const [problem] = manager.reported;
    if (problem !== undefined) this.#world.fail(`A listener threw: ${problem}`);
    const sessions = new Set<string>();
    for (const { id } of manager.manager?.desk.sessions ?? []) sessions.add(id);
    numbers.keepOnly(sessions);
    this.#checkRemoved();
    for (const worker of workers) {
      this.#checkWorker(worker);
      this.#checkTwins(worker);
    }
  }

  /** A worker told its operator something. */
  told(worker: WorkerMachine, { event, node }: WorkerEvent): void {
    const { invariants, patienceMs } = this.#world;
    if (event === "joined") invariants.joined(worker, node);
    if (event === "connected") invariants.connected(worker, node);
    if (event !== "disconnected" || worker.spoilt !== undefined) return;
    if (!this.isCalm(worker, patienceMs)) return;
    this.#world.fail(
      `Nothing is wrong with ${worker.name}, and its session was interrupted`,
    );
  }

  /** Whether nothing has been wrong for long enough, here and at the manager. */
  isCalm(worker: WorkerMachine, graceMs: number): boolean {
    const { manager } = this.#world;
    return manager.manager !== undefined && manager.calmMs > graceMs &&
      worker.process !== undefined && worker.calmMs > graceMs;
  }

  #checkRemoved(): void {
    const { manager: { manager }, invariants: { removed } } = this.#world;
    for (const node of removed) {
      if (manager?.desk.sessions.of(node)) {
        this.#world.fail(`Invariant 3: removed node ${node} has a session`);
      }
    }
  }

  #checkWorker(worker: WorkerMachine): void {
    if (worker.retired || worker.spoilt !== undefined) return;
    if (this.#world.queue.waits(worker)) return;
    this.#checkLife(worker);
    // The operator is a little faster.
    if (!this.isCalm(worker, 2 * this.#world.patienceMs)) return;
    if (this.#world.operator.reasonFor(worker) === undefined) {
      this.#checkConnected(worker);
    }
  }

  /** Two machines with one identity take the session from each other, which shows. */
  #checkTwins(worker: WorkerMachine): void {
    const { invariants, manager, operator } = this.#world;
    const twins = operator.twinsOf(worker).filter((each) =>
      each.process !== undefined && each.calmMs > TWINS_MS &&
      !this.#world.queue.waits(each) &&
      invariants.diskProblem(each) === undefined
    );
    if (twins.length < 2 || manager.calmMs < TWINS_MS) return;
    const record = invariants.records.get(worker.nodeId ?? "");
    if (record?.admission === "conflict") return;
    const names = twins.map(({ name }) => name).join(" and ");
    this.#world.fail(`No conflict was seen between ${names}`);
  }

  #checkConnected(worker: WorkerMachine): void {
    const { clock } = this.#world;
    const problem = this.#sessionProblem(worker);
    if (problem === undefined) return;
    // While a session moves, the old connection may end a little early.
    clock.after(MOVE_MS, () => {
      if (worker.calmMs < MOVE_MS || this.#world.manager.calmMs < MOVE_MS) {
        return;
      }
      if (this.#sessionProblem(worker) !== undefined) this.#world.fail(problem);
    });
  }

  #sessionProblem(worker: WorkerMachine): string | undefined {
    const { manager: { manager }, numbers } = this.#world;
    const { name, nodeId = "" } = worker;
    const session = manager?.desk.sessions.of(nodeId);
    if (!worker.connected || !session?.connection) {
      const { lastError } = worker.worker?.uplink ?? {};
      return `Nothing is wrong with ${name} (node ${nodeId}), and it has no session: ${lastError}`;
    }
    if (numbers.isComplete(session.id, 30 * SECOND)) return undefined;
    return `Invariant 5: ${name} has not read all of session ${session.id}`;
  }

  #checkLife(worker: WorkerMachine): void {
    const certificate = this.#world.invariants.certificateOf(worker);
    if (!certificate) return;
    const { issuedAt, notAfter } = certificate;
    const life = notAfter - issuedAt;
    const { now } = this.#world;
    const part = (now - issuedAt) / life;
    if (
      part < OLD || !this.isCalm(worker, this.#world.patienceMs + life / 10)
    ) return;
    this.#world.fail(
      `Invariant 8: the certificate of ${worker.name} is at ${part} of its life`,
    );
  }
}
