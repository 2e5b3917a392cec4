import { MINUTE } from "../../lib/base/time.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { Approvals } from "./approvals.ts";
import { Checks } from "./checks.ts";
import { Decisions } from "./decisions.ts";
import { EventLog, timeText } from "./event_log.ts";
import { Invariants } from "./invariants.ts";
import { Faults } from "./faults.ts";
import type { Fleet } from "./fleet.ts";
import type { Surroundings } from "./machine.ts";
import { START } from "./machine_clock.ts";
import { Operator } from "./operator.ts";
import { RootChanges } from "./root_changes.ts";
import { ManagerMachine, PORT } from "./manager_machine.ts";
import { Network } from "./network.ts";
import { Pairs } from "./pairs.ts";
import { Queue } from "./queue.ts";
import { Numbers } from "./numbers.ts";
import type { Host } from "./pipe.ts";
import { Secrets } from "./secrets.ts";
import type { Scenario } from "./scenario.ts";
import { VirtualClock } from "./virtual_clock.ts";
import { WorkerMachine, type WorkerSurroundings } from "./worker_machine.ts";

/** What a simulation came to. */
export interface Report {
  readonly events: number;
  readonly issued: number;
  /** Numbers that applications read. */
  readonly numbers: number;
  readonly log: readonly string[];
}

/** One manager, its workers, the network between them, and who watches. */
export class World implements Fleet {
  readonly scenario: Scenario;
  readonly random: StreamRandom;
  readonly clock = new VirtualClock();
  readonly log: EventLog;
  readonly network: Network;
  readonly numbers: Numbers;
  readonly invariants: Invariants;
  readonly manager: ManagerMachine;
  readonly workers: WorkerMachine[] = [];
  readonly operator: Operator;
  readonly faults: Faults;
  readonly roots: RootChanges;
  readonly queue: Queue;
  readonly approvals: Approvals;
  readonly #seed: number;
  readonly #checks: Checks;
  readonly #pairs: Pairs;
  readonly #decisions: Decisions;
  readonly #bound = new Map<string, WorkerMachine[]>();
  #failure: string | undefined;

  constructor(
    scenario: Scenario,
    { seed, keepLog = false }: {
      readonly seed: number;
      readonly keepLog?: boolean;
    },
  ) {
    this.scenario = scenario;
    this.#seed = seed;
    this.random = this.#stream("world");
    this.log = new EventLog(this.clock, keepLog);
    const { clock, log } = this;
    const crypto = new SimCrypto(this.#stream("tls"));
    const random = this.#stream("network");
    this.network = new Network({ clock, log, crypto, random });
    const fail = (text: string) => this.fail(text);
    this.numbers = new Numbers({ fail, now: () => clock.now });
    this.invariants = new Invariants(fail);
    this.#decisions = new Decisions(fail);
    this.manager = this.#newManager();
    for (let i = 0; i < scenario.workers; i++) this.addWorker();
    this.operator = new Operator(this);
    this.faults = new Faults(this, this.#stream("faults"));
    this.roots = new RootChanges(this, this.#stream("roots"));
    this.queue = new Queue(this);
    this.approvals = new Approvals(this, this.#stream("approvals"));
    this.#checks = new Checks(this);
    this.#pairs = new Pairs(this, crypto);
    const token = () => this.manager.token;
    const secrets = new Secrets({ fail, token });
    log.reader = (what) => secrets.logged(what);
    this.network.unverified = (chunk) => secrets.sent(chunk);
    this.manager.committed = (changes) => {
      this.invariants.committed(changes);
      this.operator.committed(changes);
      this.#decisions.committed(changes);
      this.queue.committed(changes);
      this.approvals.committed(changes);
      secrets.committed(changes);
      if (changes.some(({ kind }) => kind === "cluster")) this.#lookAtPairs();
    };
  }

  /** The true time, as a wall clock. */
  get now(): number {
    return START + this.clock.now;
  }

  /** After this long without trouble, a worker must be well. */
  get patienceMs(): number {
    // A half-open connection is noticed at the fourth beat without an answer.
    return 4.5 * this.scenario.heartbeatMs + 3 * MINUTE;
  }

  /** Runs to the end. @throws {Error} that tells how to see it again */
  async run(): Promise<Report> {
    const { durationMs, startMs, checkMs, faultMs } = this.scenario;
    this.manager.start();
    await this.#until(MINUTE);
    for (const worker of this.workers) {
      // Whoever has not started yet is hit by no other fault.
      if (Number.isFinite(faultMs)) worker.mayDieAgain();
      this.clock.after(this.random.between(0, startMs), () => worker.start());
    }
    this.#every(checkMs, () => {
      this.operator.look();
      this.#checks.look();
      this.queue.look();
      this.#lookAtPairs();
      this.#lookAtLog();
    });
    this.approvals.begin();
    this.roots.begin();
    this.faults.begin();
    await this.#until(durationMs);
    await this.#calmDown();
    const { invariants: { issued }, numbers: { total }, clock, log } = this;
    const { events } = clock;
    return { events, issued, numbers: total, log: log.entries };
  }

  /** A death that was planned for a later write would come amid the calm. */
  #spareAll(): void {
    for (const machine of [this.manager, ...this.workers]) machine.spare();
  }

  /** In the end everything is put right, and everybody must be well. */
  async #calmDown(): Promise<void> {
    this.faults.end();
    this.approvals.end();
    this.#spareAll();
    const { patienceMs, scenario: { durationMs, checkMs } } = this;
    const calmMs = 4 * (patienceMs + checkMs);
    this.clock.after(calmMs - patienceMs, () => {
      this.roots.end();
      this.#spareAll();
    });
    await this.#until(durationMs + calmMs);
    for (const worker of this.workers) {
      if (worker.retired || worker.connected) continue;
      this.fail(`In the end ${worker.name} is not connected: ${worker.spoilt}`);
    }
    if (this.roots.phase !== undefined) {
      this.fail(`In the end the rotation is still ${this.roots.phase}`);
    }
    await this.#until(0);
  }

  /** Something that must not happen has happened. */
  fail(text: string): void {
    if (this.#failure !== undefined) return;
    this.clock.stopped = true;
    this.log.add("FAILURE", text);
    const about = this.workers.find(({ name, nodeId }) =>
      text.includes(`${name} `) || (nodeId && text.includes(nodeId))
    );
    this.#failure = [
      `${text}`,
      `${this.scenario.name}, seed ${this.#seed}, at ${
        timeText(this.clock.now)
      }`,
      `Again: SWARMD_SIM_SEED=${this.#seed} deno test -A tests/sim`,
      ...(about
        ? [`Last of ${about.name}:`, ...this.log.last(40, about.name)]
        : []),
      "Last of all:",
      ...this.log.last(40),
    ].join("\n");
  }

  /** Another machine, made ready and not started. */
  addWorker(binding?: string): WorkerMachine {
    const number = this.workers.length + 1;
    const host = this.#newHost(`worker-${number}`, {
      ip: `10.1.${number >> 8}.${number & 255}`,
      latencyMs: this.random.between(1, 40),
    });
    const around: WorkerSurroundings = {
      ...this.#around(),
      managers: [{ host: this.manager.host.ip, port: PORT }],
      token: () => this.manager.token ?? neverServed(),
      wrote: (machine) => this.invariants.checkDisk(machine),
      told: (machine, event) => this.#checks.told(machine, event),
      rejected: (machine) => this.queue.rejected(machine),
    };
    const worker = new WorkerMachine(around, {
      host,
      binding: binding ?? `binding of ${host.name}`,
    });
    this.workers.push(worker);
    this.#bound.getOrInsert(worker.binding, []).push(worker);
    return worker;
  }

  /** In another event: a manager that was just told of a change looks first. */
  #lookAtPairs(): void {
    this.clock.after(0, () => this.#watch(this.#pairs.look()));
  }

  #lookAtLog(): void {
    const { store } = this.manager;
    if (store) this.#watch(this.#decisions.look(store));
  }

  #watch(check: Promise<void>): void {
    check.catch((error) => this.fail(`A check threw: ${error}`));
  }

  machinesOf(binding: string): readonly WorkerMachine[] {
    return this.#bound.get(binding) ?? [];
  }

  #newManager(): ManagerMachine {
    const host = this.#newHost("manager", { ip: "10.0.0.1", latencyMs: 1 });
    const { heartbeatMs, leafLifeMs } = this.scenario;
    return new ManagerMachine({
      ...this.#around(),
      heartbeatMs,
      leafLifeMs,
    }, host);
  }

  #around(): Surroundings {
    const { clock, log, network, numbers } = this;
    const { numbersMs, leafLifeMs, maxRestartMs } = this.scenario;
    return {
      seed: this.#seed,
      clock,
      log,
      network,
      numbers,
      numbersMs,
      // Late by less than what counts for any certificate.
      maxLookMs: leafLifeMs / 100,
      maxRestartMs,
    };
  }

  #newHost(
    name: string,
    place: { readonly ip: string; readonly latencyMs: number },
  ): Host {
    const random = this.#stream(`host ${name}`);
    return this.network.addHost({ name, ...place, random });
  }

  #every(periodMs: number, work: () => void): void {
    const again = () => {
      work();
      this.clock.after(periodMs, again);
    };
    this.clock.after(periodMs, again);
  }

  async #until(time: number): Promise<void> {
    await this.clock.runUntil(time);
    if (this.#failure !== undefined) throw new Error(this.#failure);
  }

  #stream(label: string): StreamRandom {
    return new StreamRandom(`${this.#seed} ${label}`);
  }
}

function neverServed(): never {
  throw new Error("No worker starts before the manager has served");
}
