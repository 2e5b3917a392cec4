import { type Clock, MINUTE, SECOND } from "../../lib/base/time.ts";
import type { Planned, VirtualClock } from "./virtual_clock.ts";

/** Delays of loops that only look at the wall clock, again and again. */
const LOOKS: ReadonlySet<number> = new Set([30 * SECOND, MINUTE]);

/** When the simulation begins, on clocks that are right. */
export const START = Date.UTC(2026, 0, 1);

interface Timer {
  readonly delayMs: number;
  readonly callback: () => void;
  /** On the machine's monotonic clock. */
  due: number;
  /** What the delay was made of a look that was put off. */
  lookMs: number;
  planned: Planned | undefined;
}

/**
 * The clocks of one machine: a wall clock that is stepped and a monotonic one
 * that stands still while the machine sleeps, over one true time.
 *
 * A loop that looks at the wall clock every minute would be 105 million events
 * a year for 200 machines. A look that is planned by the one before is put off,
 * each time twice as long, up to a limit; a step or the end of a sleep brings it
 * back to where it belongs. So what it would have seen, it sees in time.
 */
export class MachineClock {
  readonly #clock: VirtualClock;
  /** How late a look may be when nothing has happened, in milliseconds. */
  readonly #maxLookMs: number;
  readonly #looks = new Set<Timer>();
  #offset = 0;
  #slept = 0;
  #sleepingSince: number | undefined;
  /** Timers that are due while the machine sleeps, in order. */
  #parked: Timer[] = [];
  #lastLook: { readonly event: number; readonly timer: Timer } | undefined;

  constructor(clock: VirtualClock, maxLookMs: number) {
    this.#clock = clock;
    this.#maxLookMs = maxLookMs;
  }

  /** How far the wall clock is ahead of the truth, in milliseconds. */
  get offset(): number {
    return this.#offset;
  }

  get asleep(): boolean {
    return this.#sleepingSince !== undefined;
  }

  now(): number {
    return START + this.#clock.now + this.#offset;
  }

  monotonic(): number {
    return (this.#sleepingSince ?? this.#clock.now) - this.#slept;
  }

  /** Sets the wall clock, as an operator or NTP would. */
  step(byMs: number): void {
    this.#offset += byMs;
    this.#lookSoon();
  }

  sleep(): void {
    this.#sleepingSince ??= this.#clock.now;
  }

  wake(): void {
    if (this.#sleepingSince === undefined) return;
    this.#slept += this.#clock.now - this.#sleepingSince;
    this.#sleepingSince = undefined;
    const parked = this.#parked;
    this.#parked = [];
    for (const timer of parked) this.#plan(timer);
    this.#lookSoon();
  }

  /** The clock as a process sees it; its timers end with it. */
  forProcess(process: { readonly alive: boolean }): Clock {
    return {
      now: () => this.now(),
      monotonic: () => this.monotonic(),
      schedule: (delayMs, callback) =>
        this.#schedule(delayMs, () => {
          if (process.alive) callback();
        }),
    };
  }

  #schedule(delayMs: number, callback: () => void): () => void {
    const lookMs = this.#putOff(delayMs);
    const due = this.monotonic() + Math.max(0, Math.ceil(lookMs));
    const timer: Timer = { delayMs, callback, due, lookMs, planned: undefined };
    if (lookMs > delayMs) this.#looks.add(timer);
    this.#plan(timer);
    return () => this.#cancel(timer);
  }

  /** How long a look may be put off, if this is the next of a loop. */
  #putOff(delayMs: number): number {
    const last = this.#lastLook;
    const goesOn = last?.event === this.#clock.events &&
      last.timer.delayMs === delayMs;
    if (!goesOn) return delayMs;
    return Math.max(delayMs, Math.min(this.#maxLookMs, 2 * last.timer.lookMs));
  }

  #plan(timer: Timer): void {
    const left = timer.due - this.monotonic();
    timer.planned = this.#clock.after(left, () => this.#fire(timer));
  }

  #fire(timer: Timer): void {
    if (this.asleep) {
      this.#parked.push(timer);
    } else if (this.monotonic() < timer.due) {
      this.#plan(timer);
    } else {
      this.#looks.delete(timer);
      if (LOOKS.has(timer.delayMs)) {
        this.#lastLook = { event: this.#clock.events, timer };
      }
      timer.callback();
    }
  }

  #cancel(timer: Timer): void {
    this.#looks.delete(timer);
    if (timer.planned) this.#clock.cancel(timer.planned);
    timer.planned = undefined;
    const parked = this.#parked.indexOf(timer);
    if (parked >= 0) this.#parked.splice(parked, 1);
  }

  /** A look that was put off comes when it would have come. */
  #lookSoon(): void {
    if (this.asleep) return;
    for (const timer of this.#looks) {
      if (timer.planned) this.#clock.cancel(timer.planned);
      timer.due = Math.min(timer.due, this.monotonic() + timer.delayMs);
      timer.lookMs = timer.delayMs;
      this.#plan(timer);
    }
    this.#looks.clear();
  }
}
