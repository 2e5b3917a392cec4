import type { Clock } from "../base/time.ts";

/** What ends an attempt from outside, and when. */
export interface DeadlineOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** What the attempt fails with when the time is over. */
  readonly timedOut: () => Error;
  readonly signal?: AbortSignal;
}

/**
 * One limit over the steps of an attempt: so much time in all, and a signal.
 * The steps themselves cannot be cancelled: who waits is released at once, and
 * what a step opens too late is handed to `undo`.
 */
export class Deadline implements Disposable {
  readonly #over = Promise.withResolvers<never>();
  readonly #release: () => void;
  #isOver = false;

  constructor({ clock, timeoutMs, timedOut, signal }: DeadlineOptions) {
    // Nobody may be waiting when it happens
    this.#over.promise.catch(() => {});
    const end = (reason: unknown) => {
      this.#isOver = true;
      this.#over.reject(reason);
    };
    const abort = () => end(signal?.reason);
    const cancel = clock.schedule(timeoutMs, () => end(timedOut()));
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    this.#release = () => {
      cancel();
      signal?.removeEventListener("abort", abort);
    };
  }

  /**
   * Waits for a step.
   *
   * @throws what the step throws, or the signal's reason, or `timedOut`
   */
  run<T>(step: Promise<T>, undo?: (late: T) => void): Promise<T> {
    step.then((value) => this.#isOver && undo?.(value), () => {});
    return Promise.race([this.#over.promise, step]);
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}
