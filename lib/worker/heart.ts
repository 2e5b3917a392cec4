import { type Clock, DAY } from "../base/time.ts";
import { silenceLimit } from "../cluster/liveness.ts";

/** Shortest period, in milliseconds. */
const MIN_PERIOD = 200;

/** What a heart beats for. */
export interface HeartOptions {
  readonly clock: Clock;
  /** Period until the manager names another, in milliseconds. */
  readonly heartbeatMs: number;
  /** Until the first beat, in milliseconds; absent: it goes at once. */
  readonly firstMs?: number | undefined;
  /** Sends a beat. */
  readonly beat: () => void;
  /** No answer came for three periods: the connection is half-open. */
  readonly silent: () => void;
}

/**
 * The heartbeats of one connection, with one timer: a connection whose peer
 * vanished behind a NAT would never tell by itself.
 */
export class Heart {
  readonly #options: HeartOptions;
  readonly #periodMs: number;
  #answeredAt: number;
  #cancel: () => void = () => {};

  constructor(options: HeartOptions) {
    this.#options = options;
    this.#periodMs = bounded(options.heartbeatMs);
    this.#answeredAt = options.clock.monotonic();
    const { firstMs = this.#periodMs } = options;
    if (options.firstMs === undefined) options.beat();
    this.#next(firstMs);
  }

  /** The manager answered; it may say when it wants the next beat. */
  answered(nextMs: number | undefined): void {
    this.#answeredAt = this.#options.clock.monotonic();
    if (nextMs !== undefined) this.#next(nextMs);
  }

  stop(): void {
    this.#cancel();
  }

  #next(afterMs: number): void {
    this.#cancel();
    const { clock } = this.#options;
    this.#cancel = clock.schedule(bounded(afterMs), () => this.#due());
  }

  #due(): void {
    const { clock, beat, silent } = this.#options;
    const silentMs = clock.monotonic() - this.#answeredAt;
    if (silentMs > silenceLimit(this.#periodMs)) return silent();
    this.#next(this.#periodMs);
    beat();
  }
}

/** Whatever a manager wishes, beats are neither a flood nor forgotten. */
function bounded(periodMs: number): number {
  return Math.min(DAY, Math.max(MIN_PERIOD, periodMs));
}
