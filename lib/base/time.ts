/** One second, in milliseconds. */
export const SECOND = 1_000;
/** One minute, in milliseconds. */
export const MINUTE = 60 * SECOND;
/** One hour, in milliseconds. */
export const HOUR = 60 * MINUTE;
/** One day, in milliseconds. */
export const DAY = 24 * HOUR;

/**
 * Time, as an argument.
 *
 * `now` is the wall clock: it may jump in both directions. `monotonic` never
 * goes back, counts from an arbitrary start, and may stop while the machine is
 * suspended. `schedule` runs on the monotonic clock.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Milliseconds since some fixed moment. */
  monotonic(): number;
  /** Calls back once after so many milliseconds; the result cancels it. */
  schedule(delayMs: number, callback: () => void): () => void;
}

/**
 * What a wait is ended with that is not to fail: an abort without a reason
 * makes an exception with a stack, 0.2 ms of a core each time (Deno 2.9.6).
 */
export const WOKEN = new DOMException("Woken", "AbortError");

/**
 * Waits on a clock.
 *
 * @throws the signal's reason, at once when it is aborted
 */
export function sleep(
  clock: Clock,
  delayMs: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Waits until the wall clock shows a time, looking at it at least once a
 * minute: a suspended machine or a stepped clock is noticed by then, where one
 * long timer would be late by as much as the machine slept (W23).
 */
export async function sleepUntil(
  clock: Clock,
  wallMs: number,
  signal?: AbortSignal,
): Promise<void> {
  for (;;) {
    const left = wallMs - clock.now();
    if (left <= 0) return signal?.throwIfAborted();
    await sleep(clock, Math.min(left, MINUTE), signal);
  }
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: MINUTE,
  h: HOUR,
  d: DAY,
};
const DURATION_REGEXP = /^(?:\d+(?:ms|s|m|h|d))+$/;

/**
 * Reads a duration such as `90d`, `1h30m`, `10s` or `250ms`, in milliseconds.
 *
 * @throws {SyntaxError} when the text is not a duration, or exceeds 1,000 years
 */
export function parseDuration(text: string): number {
  if (!DURATION_REGEXP.test(text)) {
    throw new SyntaxError(
      `Cannot read duration "${text}": want a form such as 90d, 1h30m, 10s or 250ms`,
    );
  }
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    total += Number(count) * (UNITS[unit ?? ""] ?? NaN);
  }
  if (!(total <= 365_000 * DAY)) {
    throw new SyntaxError(
      `Cannot read duration "${text}": want at most 365000d`,
    );
  }
  return total;
}

/** Writes a duration for people: its two largest units, `-` when negative. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (Math.round(ms) < SECOND) return `${Math.round(ms)}ms`;
  let left = Math.round(ms / SECOND) * SECOND;
  const parts: string[] = [];
  for (const unit of ["d", "h", "m", "s"]) {
    const size = UNITS[unit] ?? SECOND;
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join("");
}

/** Writes a moment as ISO 8601 in UTC, to the second. */
export function formatTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}

/** A moment without its part of a second: certificates have none (RFC 5280 §4.1.2.5). */
export function wholeSeconds(wallMs: number): number {
  return Math.floor(wallMs / SECOND) * SECOND;
}
