import type { LogFields, Logger } from "../../lib/base/logger.ts";
import { START } from "./machine_clock.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** Entries that are kept to explain a failure. */
const KEPT = 4_000;

/** What happened, in order: the last of it, or all of it. */
export class EventLog {
  readonly #clock: VirtualClock;
  readonly #keepAll: boolean;
  #entries: string[] = [];
  /** Reads along. */
  reader: (what: string) => void = () => {};

  constructor(clock: VirtualClock, keepAll = false) {
    this.#clock = clock;
    this.#keepAll = keepAll;
  }

  get entries(): readonly string[] {
    return this.#entries;
  }

  add(who: string, what: string): void {
    this.reader(what);
    this.#entries.push(`${this.#clock.now} ${who} ${what}`);
    if (this.#keepAll || this.#entries.length < 2 * KEPT) return;
    this.#entries = this.#entries.slice(-KEPT);
  }

  /** What happens all the time: kept only where everything is. */
  trace(who: string, what: string): void {
    if (this.#keepAll) this.add(who, what);
  }

  /** The last entries about somebody, or of all. */
  last(count: number, about?: string): string[] {
    return this.#entries.filter((e) => !about || e.includes(` ${about} `))
      .slice(-count).map(readable);
  }

  logger(who: string): Logger {
    const write = (level: string) => (message: string, fields?: LogFields) =>
      this.add(who, `${level} ${message} ${fieldsText(fields)}`);
    return {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
    };
  }
}

/** A time of the simulation as people read it. */
export function timeText(ms: number): string {
  return new Date(START + ms).toISOString().replace("T", " ").slice(0, -1);
}

function fieldsText(fields: LogFields = {}): string {
  return Object.entries(fields).map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

function readable(entry: string): string {
  const space = entry.indexOf(" ");
  return timeText(Number(entry.slice(0, space))) + entry.slice(space);
}
