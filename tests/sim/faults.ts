import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import type { StreamRandom } from "../fakes/stream_random.ts";
import type { Machine } from "./machine.ts";
import type { Scenario } from "./scenario.ts";
import type { DiskImage } from "./sim_disk.ts";
import type { WorkerMachine } from "./worker_machine.ts";
import type { World } from "./world.ts";

/** What happens to a machine, by name, and how often compared with the others. */
type Kinds<M> = Readonly<Record<string, readonly [weight: number, (machine: M) => void]>>;

/** Makes things go wrong, at times and places that the seed decides. */
export class Faults {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #random: StreamRandom;
  readonly #images = new Map<WorkerMachine, DiskImage>();
  /** How often each happened. */
  readonly counts = new Map<string, number>();
  #ended = false;

  constructor(world: World, random: StreamRandom) {
    this.#world = world;
    this.#scenario = world.scenario;
    this.#random = random;
  }

  /** Begins; every worker machine has its share. */
  begin(): void {
    const { faultMs, managerFaultMs, workers } = this.#scenario;
    this.#repeat(faultMs / workers, () => this.#hitWorker());
    this.#repeat(managerFaultMs, () => {
      this.#hit(this.#world.manager, MACHINE_AND_MANAGER(this));
    });
  }

  /** Nothing new happens from now on. */
  end(): void {
    this.#ended = true;
  }
}
