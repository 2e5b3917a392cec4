import type { Clock } from "../../lib/base/time.ts";
import { systemClock } from "../../lib/net/system.ts";

interface Timer {
  readonly callback: () => void;
  /** On this clock, monotonic. */
  readonly dueMs: number;
  cancel: () => void;
}

/** The machine's clock, which can be told that time has passed. */
export class JumpClock implements Clock {
  readonly #timers = new Set<Timer>();
  #offsetMs = 0;

  now(): number {
    return systemClock.now() + this.#offsetMs;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#offsetMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const dueMs = this.monotonic() + delayMs;
    const timer: Timer = { callback, dueMs, cancel: () => {} };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  /** So much time has passed; what is due by then happens at once. */
  jump(byMs: number): void {
    this.#offsetMs += byMs;
    for (const timer of this.#timers) {
      timer.cancel();
      this.#arm(timer);
    }
  }

  #arm(timer: Timer): void {
    const leftMs = Math.max(0, timer.dueMs - this.monotonic());
    timer.cancel = systemClock.schedule(leftMs, () => {
      this.#timers.delete(timer);
      timer.callback();
    });
  }
}
