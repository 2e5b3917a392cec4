import type { Clock } from "../../lib/base/time.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import type { Link, NetProcess } from "./link.ts";
import type { MachineClock } from "./machine_clock.ts";
import type { Host } from "./pipe.ts";
import { type DiskEvents, diskFull } from "./sim_disk.ts";

/** A write at which a process is to die. */
export interface CrashPlan {
  /** Counted from 1, from the start of the process. */
  readonly write: number;
  readonly when: "before" | "after";
}

/** Writes of one renewal, and some more. */
const WRITES = 9;

/** One of the next writes, and the moment before or after it. */
export function aWrite(random: StreamRandom): CrashPlan {
  const when = random.chance(0.5) ? "before" : "after";
  return { write: 1 + random.integer(WRITES), when };
}

/** How a process is made. */
export interface ProcessOptions {
  readonly host: Host;
  readonly clock: MachineClock;
  /** Tells its random numbers from those of every other process. */
  readonly label: string;
  readonly crashPlan: CrashPlan | undefined;
  /** Whether its writes fail, or happen and fail. */
  readonly machine: { readonly diskFull: boolean; readonly diskFlaky: boolean };
  /** Its machine is to kill it, now. */
  readonly crash: (why: string) => void;
  /** A write has happened. */
  readonly wrote: (what: string) => void;
}

/**
 * What a process of either kind has. Killed, it leaves nothing but what its
 * writes have done: its timers do not fire, its writes do not return.
 */
export class SimProcess implements NetProcess {
  readonly host: Host;
  readonly clock: Clock;
  readonly random: StreamRandom;
  readonly crypto: SimCrypto;
  readonly links = new Set<Link>();
  readonly stop = new AbortController();
  readonly disk: DiskEvents;
  readonly #options: ProcessOptions;
  #alive = true;
  #writes = 0;
  #crashPlan: CrashPlan | undefined;

  constructor(options: ProcessOptions) {
    const { host, clock, label } = options;
    this.#options = options;
    this.#crashPlan = options.crashPlan;
    this.host = host;
    this.clock = clock.forProcess(this);
    this.random = new StreamRandom(label);
    this.crypto = new SimCrypto(new StreamRandom(`${label} keys`));
    this.disk = {
      before: (what) => this.#beforeWrite(what),
      after: (what) => this.#afterWrite(what),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  kill(): void {
    this.#alive = false;
  }

  /** Dies at a write, counted from now. */
  dieAt({ write, when }: CrashPlan): void {
    this.#crashPlan = { write: this.#writes + write, when };
  }

  /** Dies at no write. */
  spare(): void {
    this.#crashPlan = undefined;
  }

  async #beforeWrite(what: string): Promise<void> {
    const write = ++this.#writes;
    await this.#diskTime();
    if (!this.#alive) return await never();
    await this.#perhapsDie(`before write ${write}, ${what}`, {
      write,
      when: "before",
    });
    if (this.#options.machine.diskFull) throw diskFull();
  }

  async #afterWrite(what: string): Promise<void> {
    if (!this.#alive) return await never();
    this.#options.wrote(what);
    const write = this.#writes;
    await this.#perhapsDie(`after write ${write}, ${what}`, {
      write,
      when: "after",
    });
    // The change is there, and making it durable failed.
    if (this.#options.machine.diskFlaky) throw diskFull();
  }

  async #perhapsDie(why: string, { write, when }: CrashPlan): Promise<void> {
    const plan = this.#crashPlan;
    if (plan?.write !== write || plan.when !== when) return;
    this.#options.crash(why);
    await never();
  }

  /** Often nothing, else up to 30 ms. */
  #diskTime(): Promise<void> {
    if (this.random.chance(0.3)) return Promise.resolve();
    const delayMs = this.random.between(0, 30);
    return new Promise((resolve) => {
      this.clock.schedule(delayMs, resolve);
    });
  }
}

/** Each time another: one for all would keep whoever waits, and his world. */
function never(): Promise<never> {
  return new Promise(() => {});
}
