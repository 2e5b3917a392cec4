import { SECOND } from "../base/time.ts";

/** Connections that may be taken into use in a row. */
const MAX_MOVES = 4;
/** In so long a time, in milliseconds. */
const WINDOW_MS = 2 * SECOND;

/**
 * How often connections are changed, whatever a manager asks: never in a tight
 * loop, and the few moves of a root rotation, which the whole fleet waits for,
 * at once.
 */
export class MovePace {
  /** When the last ones were taken into use, monotonic, oldest first. */
  #taken: readonly number[] = [];

  /** A connection was taken into use. */
  moved(now: number): void {
    this.#taken = [...this.#taken, now].slice(-MAX_MOVES);
  }

  /** How long the next move has to wait, in milliseconds. */
  waitMs(now: number): number {
    const [oldest = now] = this.#taken;
    if (this.#taken.length < MAX_MOVES) return 0;
    return Math.max(0, oldest + WINDOW_MS - now);
  }
}
