import { setImmediate } from "node:timers";
import type { Clock } from "../../lib/base/time.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until told. Timers fire in order of time, then of scheduling. */
export class FakeClock implements Clock {
  #timers = new Set<Timer>();
  #order = 0;
  #elapsed = 0;
  #wallAtStart: number;
  readonly #settled: () => Promise<void>;

  /** @param settled waits between timers; see {@linkcode settle}, {@linkcode turn} */
  constructor(startMs = Date.UTC(2026, 0, 1), settled = settle) {
    this.#wallAtStart = startMs;
    this.#settled = settled;
  }

  now(): number {
    return this.#wallAtStart + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const at = this.#elapsed + Math.max(0, delayMs);
    const timer = { at, order: this.#order++, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves the wall clock alone, as an operator or NTP would. */
  stepWall(byMs: number): void {
    this.#wallAtStart += byMs;
  }

  /** Lets time pass, firing each timer at its moment and awaiting microtasks between. */
  async advance(byMs: number): Promise<void> {
    const end = this.#elapsed + byMs;
    await this.#settled();
    for (;;) {
      const next = this.#next(end);
      if (!next) break;
      this.#elapsed = Math.max(this.#elapsed, next.at);
      this.#timers.delete(next);
      next.callback();
      await this.#settled();
    }
    this.#elapsed = end;
  }

  #next(end: number): Timer | undefined {
    let best: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (
        !best || timer.at < best.at ||
        (timer.at === best.at && timer.order < best.order)
      ) best = timer;
    }
    return best;
  }
}

/** Lets promise chains that are ready run, thread-pool crypto excepted. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** Lets ALL promise chains run that need neither time nor another thread. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
