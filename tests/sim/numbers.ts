import { type Clock, HOUR, sleep } from "../../lib/base/time.ts";
import { DrillDesk } from "../../lib/manager/drill_desk.ts";
import type { NodeSession } from "../../lib/manager/node_session.ts";
import { parseAs } from "../../lib/rpc/methods.ts";
import { type DrillParams, drillParams } from "../../lib/rpc/schemas.ts";
import { DrillApp } from "../../lib/worker/drill_app.ts";
import type { WorkerSession } from "../../lib/worker/worker_session.ts";
import { StreamRandom } from "../fakes/stream_random.ts";

/** `up` from worker to manager. */
export type Direction = "up" | "down";

interface Counts {
  written: number;
  read: number;
  writtenAt: number;
}

const NOTHING_READ = {
  received: 0,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  longestGapMs: 0,
};

/**
 * Judges what applications read above sessions: within one session, numbers
 * come as they were written, each once, none left out (trust.md §4).
 */
export class Numbers {
  readonly #fail: (text: string) => void;
  readonly #now: () => number;
  readonly #counts = new Map<string, Counts>();
  /** Numbers that were read. */
  total = 0;

  constructor(parts: {
    readonly fail: (text: string) => void;
    readonly now: () => number;
  }) {
    this.#fail = parts.fail;
    this.#now = parts.now;
  }

  write(session: string, direction: Direction): DrillParams {
    const counts = this.#of(session, direction);
    counts.writtenAt = this.#now();
    const number = ++counts.written;
    return { stream: session, number, read: NOTHING_READ };
  }

  read(session: string, direction: Direction, params: DrillParams): void {
    const counts = this.#of(session, direction);
    this.total++;
    const { stream, number } = params;
    if (stream === session && number === ++counts.read) return;
    this.#fail(
      `Invariant 5: session ${session} ${direction} read ${number} of ${stream}, want ${counts.read}`,
    );
  }

  /** Whether all that was written so long ago was read. */
  isComplete(session: string, olderThanMs: number): boolean {
    return (["up", "down"] as const).every((direction) => {
      const { written, read, writtenAt } = this.#of(session, direction);
      return written === read || writtenAt > this.#now() - olderThanMs;
    });
  }

  /** Forgets sessions that are over. */
  keepOnly(sessions: ReadonlySet<string>): void {
    // What was on its way when they ended has come by then, or never will.
    const before = this.#now() - HOUR;
    for (const [key, { writtenAt }] of this.#counts) {
      const session = key.slice(key.indexOf(" ") + 1);
      if (writtenAt < before && !sessions.has(session)) {
        this.#counts.delete(key);
      }
    }
  }

  #of(session: string, direction: Direction): Counts {
    const key = `${direction} ${session}`;
    const known = this.#counts.get(key);
    if (known) return known;
    const counts = { written: 0, read: 0, writtenAt: 0 };
    this.#counts.set(key, counts);
    return counts;
  }
}

/** How an application of the simulation is made. */
export interface AppParts {
  readonly clock: Clock;
  readonly numbers: Numbers;
  readonly periodMs: number;
}

/** The application on a worker. */
export class SimApp extends DrillApp {
  readonly #parts: AppParts;
  #session: () => WorkerSession | undefined = () => undefined;

  constructor(parts: AppParts) {
    super({ clock: parts.clock, random: new StreamRandom("unused") });
    this.#parts = parts;
  }

  override read(params: unknown): void {
    const what = { value: params, what: "drill.number" };
    const written = parseAs(drillParams, what);
    const { id = "" } = this.#session() ?? {};
    this.#parts.numbers.read(id, "down", written);
  }

  override async run(
    session: () => WorkerSession | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    this.#session = session;
    const { clock, numbers, periodMs } = this.#parts;
    for (;;) {
      await sleep(clock, periodMs, signal);
      const open = session();
      if (open?.opened) {
        open.notify("drill.number", numbers.write(open.id, "up"));
      }
    }
  }
}

/** The application on a manager. */
export class SimDesk extends DrillDesk {
  readonly #parts: AppParts;

  constructor(parts: AppParts) {
    super({ clock: parts.clock, random: new StreamRandom("unused") });
    this.#parts = parts;
  }

  override read(session: NodeSession, params: DrillParams): void {
    this.#parts.numbers.read(session.id, "up", params);
  }

  override async run(
    sessions: Iterable<NodeSession>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, numbers, periodMs } = this.#parts;
    for (;;) {
      await sleep(clock, periodMs, signal);
      for (const session of sessions) {
        session.push("drill.number", numbers.write(session.id, "down"));
      }
    }
  }
}
