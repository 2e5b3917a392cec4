import type { StreamRandom } from "../fakes/stream_random.ts";
import type { Machine } from "./machine.ts";
import { MANAGER_FAULTS } from "./manager_faults.ts";
import type { WorkerMachine } from "./worker_machine.ts";
import { WORKER_FAULTS } from "./worker_faults.ts";
import type { Fault, FaultTools, Fleet, Lasting } from "./fleet.ts";

/** Makes things go wrong, at times and places that the seed decides. */
export class Faults implements FaultTools {
  readonly world: Fleet;
  readonly random: StreamRandom;
  /** How often each happened. */
  readonly counts = new Map<string, number>();
  #ended = false;
  readonly #running = new Set<() => void>();

  constructor(world: Fleet, random: StreamRandom) {
    this.world = world;
    this.random = random;
  }

  begin(): void {
    const { faultMs, managerFaultMs, workers } = this.world.scenario;
    this.#repeat(faultMs / workers, () => this.#hitWorker());
    this.#repeat(managerFaultMs, () => {
      const { manager } = this.world;
      if (manager.process) this.#hit(manager, MANAGER_FAULTS);
    });
  }

  /** Whatever is wrong is put right, and nothing new happens. */
  end(): void {
    this.#ended = true;
    for (const over of [...this.#running]) over();
  }

  /** Something that lasts; what ends it is called once. */
  lasting(machine: Machine, fault: Lasting): void {
    const { name, forMs, over, harmless = false } = fault;
    if (!harmless) machine.trouble(name);
    const end = () => {
      if (!this.#running.delete(end)) return;
      if (!harmless) machine.relieve(name);
      over();
    };
    this.#running.add(end);
    this.world.clock.after(forMs, end);
  }

  /** A time between two others; each order of magnitude as likely as the next. */
  duration(fromMs: number, toMs: number): number {
    return Math.ceil(fromMs * (toMs / fromMs) ** this.random.uniform());
  }

  /** An ordinary time for something to last on a machine. */
  timeOn(machine: Machine): number {
    const { manager, scenario } = this.world;
    const isManager = machine === manager;
    const { longMs, managerLongMs } = scenario;
    return this.duration(200, isManager ? managerLongMs : longMs);
  }

  #repeat(meanMs: number, work: () => void): void {
    if (!Number.isFinite(meanMs)) return;
    this.world.clock.after(this.random.interval(meanMs), () => {
      if (this.#ended) return;
      work();
      this.#repeat(meanMs, work);
    });
  }

  #hitWorker(): void {
    const { workers } = this.world;
    const machine = this.random.pick(workers);
    if (!machine.process || machine.retired) return;
    this.#hit<WorkerMachine>(machine, WORKER_FAULTS);
    if (this.random.chance(0.5)) machine.keepImage();
  }

  #hit<M extends Machine>(machine: M, kinds: readonly Fault<M>[]): void {
    const total = kinds.reduce((sum, { weight }) => sum + weight, 0);
    let left = this.random.uniform() * total;
    const fault = kinds.find(({ weight }) => (left -= weight) < 0);
    if (!fault || machine.isTroubled(fault.name)) return;
    const { name } = fault;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    machine.log(`fault: ${name}`);
    fault.begin(machine, this);
  }
}
