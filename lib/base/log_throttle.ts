import type { LogFields, Logger } from "./logger.ts";
import { type Clock, SECOND } from "./time.ts";

/** Length of a window, in milliseconds. */
const WINDOW_MS = 10 * SECOND;
/** Lines of one message in a window. */
const MAX_LINES = 10;

interface Window {
  startedAt: number;
  lines: number;
  omitted: number;
}

/**
 * Logs what strangers can cause as often as they like: at most ten lines of a
 * message in ten seconds; the next line says how many were omitted before it.
 * Each `code` counts by itself: noise of one kind must not hide another.
 */
export class LogThrottle {
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** By message and code, of which there are a few dozen. */
  readonly #windows = new Map<string, Window>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  warn(message: string, fields: LogFields): void {
    const window = this.#windowOf(`${message} ${fields["code"] ?? ""}`);
    if (window.lines === MAX_LINES) {
      window.omitted += 1;
      return;
    }
    window.lines += 1;
    const { omitted } = window;
    window.omitted = 0;
    this.#logger.warn(message, omitted === 0 ? fields : { ...fields, omitted });
  }

  #windowOf(key: string): Window {
    const now = this.#clock.monotonic();
    let window = this.#windows.get(key);
    if (!window) {
      window = { startedAt: now, lines: 0, omitted: 0 };
      this.#windows.set(key, window);
    } else if (now - window.startedAt >= WINDOW_MS) {
      window.startedAt = now;
      window.lines = 0;
    }
    return window;
  }
}
