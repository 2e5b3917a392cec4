import { describeError } from "../../lib/base/errors.ts";
import { SECOND } from "../../lib/base/time.ts";
import type { EventLog } from "./event_log.ts";
import { MachineClock } from "./machine_clock.ts";
import type { Network } from "./network.ts";
import type { Numbers } from "./numbers.ts";
import type { Host } from "./pipe.ts";
import { type CrashPlan, SimProcess } from "./process.ts";
import { SimDisk } from "./sim_disk.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** What all machines share. */
export interface Surroundings {
  /** Of the whole simulation. */
  readonly seed: number;
  readonly clock: VirtualClock;
  readonly network: Network;
  readonly log: EventLog;
  readonly numbers: Numbers;
  /** Time between two numbers of an application, in milliseconds. */
  readonly numbersMs: number;
  /** See {@linkcode MachineClock}. */
  readonly maxLookMs: number;
  /** Longest pause before a process that ended is started again, in milliseconds. */
  readonly maxRestartMs: number;
}

/** A machine, its process, what keeps that running, and what is wrong with it. */
export abstract class Machine {
  readonly host: Host;
  readonly clock: MachineClock;
  readonly disk = new SimDisk();
  protected readonly around: Surroundings;
  /** Writes fail. */
  diskFull = false;
  /** Writes happen, and fail. */
  diskFlaky = false;
  /** For the next process. */
  crashPlan: CrashPlan | undefined;
  /** Given up for good. */
  retired = false;
  #process: SimProcess | undefined;
  #starts = 0;
  #failures = 0;
  readonly #troubles = new Set<string>();
  #calmSince = 0;

  constructor(around: Surroundings, host: Host) {
    this.around = around;
    this.host = host;
    this.clock = new MachineClock(around.clock, around.maxLookMs);
    host.lostAnswer = () => this.disturb("answer lost");
  }

  get name(): string {
    return this.host.name;
  }

  get process(): SimProcess | undefined {
    return this.#process;
  }

  /** For how long nothing has been wrong with it, in milliseconds. */
  get calmMs(): number {
    if (this.#troubles.size > 0) return 0;
    return this.around.clock.now - this.#calmSince;
  }

  start(): void {
    if (this.#process || this.retired || this.clock.asleep) return;
    if (this.#troubles.has("off")) return;
    const process = this.#newProcess();
    this.#process = process;
    this.log("starts");
    this.run(process).then(
      () => this.#exited(process, "ended"),
      (error) => this.#exited(process, describeError(error)),
    );
  }

  startAfter(delayMs: number): void {
    const always = this.clock.forProcess({ alive: true });
    always.schedule(delayMs, () => this.start());
  }

  /** Ends the process in order, as an operator does. */
  stop(): void {
    this.#process?.stop.abort(new DOMException("SIGTERM", "AbortError"));
  }

  /** Kills the process; something starts it again. */
  crash(why: string): void {
    this.#kill(why, { silent: false });
    this.startAfter(5 * SECOND);
  }

  /** Kills the process together with the machine, so that no peer is told. */
  losePower(): void {
    this.#kill("by a loss of power", { silent: true });
  }

  /** Whatever it was to die of at a write, it does not. */
  spare(): void {
    this.crashPlan = undefined;
    this.process?.spare();
  }

  /** It is never started again. */
  retire(): void {
    this.retired = true;
    this.#kill("for good", { silent: false });
  }

  wake(): void {
    this.clock.wake();
    this.start();
  }

  isTroubled(what: string): boolean {
    return this.#troubles.has(what);
  }

  /** Something begins to be wrong, until it is relieved. */
  trouble(what: string): void {
    this.log(`trouble: ${what}`);
    this.#troubles.add(what);
    this.#reach();
  }

  relieve(what: string): void {
    this.log(`relieved: ${what}`);
    this.#troubles.delete(what);
    this.#calmSince = this.around.clock.now;
    this.#reach();
  }

  /** Something was wrong for a moment. */
  disturb(what: string): void {
    this.log(`disturbed: ${what}`);
    this.#calmSince = this.around.clock.now;
  }

  log(what: string): void {
    this.around.log.add(this.name, what);
  }

  protected abstract run(process: SimProcess): Promise<void>;
  /** Its process is gone. */
  protected abstract forget(): void;
  /** A write has happened. */
  protected abstract wrote(what: string): void;

  /** The process works, so what comes later is another failure. */
  protected works(): void {
    this.#failures = 0;
  }

  #newProcess(): SimProcess {
    const { crashPlan } = this;
    this.crashPlan = undefined;
    return new SimProcess({
      host: this.host,
      clock: this.clock,
      label: `${this.around.seed} ${this.name} ${++this.#starts}`,
      crashPlan,
      machine: this,
      crash: (why) => this.crash(why),
      wrote: (what) => this.wrote(what),
    });
  }

  #exited(process: SimProcess, how: string): void {
    if (!process.alive) return;
    this.#kill(`at its own end: ${how}`, { silent: false });
    // As what keeps services running does: each time it waits longer.
    const { maxRestartMs } = this.around;
    const pauseMs = Math.min(maxRestartMs, 2 * SECOND * 2 ** this.#failures++);
    this.startAfter(pauseMs);
  }

  #kill(why: string, options: { readonly silent: boolean }): void {
    const process = this.#process;
    if (!process) return;
    this.log(`killed ${why}`);
    process.kill();
    this.around.network.killed(process, options);
    this.#process = undefined;
    this.#calmSince = this.around.clock.now;
    this.forget();
  }

  #reach(): void {
    const away = ["off", "asleep", "cut off"];
    const reachable = !away.some((what) => this.#troubles.has(what));
    if (reachable === this.host.reachable) return;
    this.around.network.setReachable(this.host, reachable);
  }
}
