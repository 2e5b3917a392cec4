import { SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type Clock, formatTime, MINUTE } from "../base/time.ts";
import { audit } from "../cluster/audit.ts";
import {
  type ClockVerdict,
  isNear,
  judgeClock,
} from "../cluster/clock_doubt.ts";
import type { AcceptedClock } from "../cluster/local_api.ts";
import type { Store, Transaction } from "../cluster/store.ts";

/** What the guard of the own clock works with. */
export interface ClockGuardParts {
  /** The machine's own. */
  readonly clock: Clock;
  readonly store: Store;
  readonly logger: Logger;
  /** Id of this manager's node. */
  readonly nodeId: string;
  /** By connected node: its clock minus {@linkcode ClockGuard.clock}. */
  readonly skewsMs: () => ReadonlyMap<string, number>;
  /**
   * The time that counts has moved: whoever is judged by it is to be judged
   * again, before anything else is answered.
   */
  readonly moved: () => void;
}

/** What a node said of the time. */
interface Witness {
  /** Its clock minus the expected time. */
  readonly skewMs: number;
  /** Monotonic. */
  readonly saidAt: number;
}

/** Between two durable notes of the time: well below what counts as near. */
const NOTE_EVERY_MS = 30 * MINUTE;
/** For how long it counts what a node said that has no session. */
const WITNESS_MS = 10 * MINUTE;

/**
 * Guards a manager against its own wall clock. While that is where it is
 * expected it counts. When it is far from there, time goes on as if it had not
 * moved: nothing ends, is forgotten or is dropped by it, sessions go on, and
 * nothing is issued, until the new time is agreed to or accepted.
 *
 * The last time that was trusted is in the store, so that a start is a step
 * like any other.
 */
export class ClockGuard {
  /** Shows the time that counts. */
  readonly clock: Clock;
  /**
   * The later of both times, for the manager's own certificate alone: a
   * manager that was off for a year has to be reached to be told the time.
   */
  readonly latest: Clock;
  readonly #parts: ClockGuardParts;
  /** A moment on both clocks at which the wall clock was trusted. */
  #anchor: { readonly wall: number; readonly mark: number };
  /** Since when it is in doubt, monotonic. */
  #doubtedAt: number | undefined;
  #verdict: ClockVerdict = "trusted";
  #noted: number;
  /** By node, while there is a doubt. */
  readonly #witnesses = new Map<string, Witness>();

  constructor(parts: ClockGuardParts) {
    this.#parts = parts;
    const { clock, store, nodeId } = parts;
    const { trustedTime } = store.view((view) => view.get("node", nodeId)) ??
      {};
    this.#noted = trustedTime ?? -Infinity;
    this.#anchor = {
      wall: trustedTime ?? clock.now(),
      mark: clock.monotonic(),
    };
    this.clock = around(clock, () => this.#now());
    this.latest = around(clock, () => Math.max(this.#now(), clock.now()));
    this.judge();
  }

  /** What is wrong, for `status`. */
  get alarm(): string | undefined {
    if (this.#verdict === "trusted") return undefined;
    const told = formatTime(this.#parts.clock.now());
    const witness = this.#verdict === "contradicted"
      ? ", and most connected nodes do not agree with it"
      : "";
    return `This machine's clock says ${told}, where ${
      formatTime(this.#expected())
    } is expected${witness}: nothing is issued, and nothing ends, until the clocks of connected nodes agree with it. Set it right, or use \`swarmd clock accept\` if it is`;
  }

  /**
   * To be called before anything is signed.
   *
   * @throws {SwarmdError} `too-busy` while the clock is in doubt; for the
   * manager's own certificate only when others contradict
   */
  refuse({ own }: { readonly own: boolean }): void {
    this.#now();
    if (this.#doubtedAt === undefined) return;
    // The doubt is not ended here: a caller that was judged before goes on.
    if (own && this.#assess(this.#doubtedAt) !== "contradicted") return;
    throw new SwarmdError(
      "too-busy",
      "Cannot issue a certificate: the clock of this manager is in doubt",
      { hint: "See `swarmd status` on the manager" },
    );
  }

  /** What time it is for a node that proved itself, and gets no session. */
  witness(nodeId: string, theirNow: number | undefined): void {
    const now = this.#now();
    if (this.#doubtedAt === undefined || theirNow === undefined) return;
    const saidAt = this.#parts.clock.monotonic();
    this.#witnesses.set(nodeId, { skewMs: theirNow - now, saidAt });
  }

  /** Looks whether there is a doubt, and whether it is over. */
  judge(): void {
    this.#now();
    if (this.#doubtedAt === undefined) return;
    const { clock, logger } = this.#parts;
    const aheadMs = clock.now() - this.#expected();
    const before = this.#verdict;
    this.#verdict = this.#assess(this.#doubtedAt);
    if (this.#verdict === "trusted") this.#trust();
    if (this.#verdict === before) return;
    logger.warn(`The wall clock is ${this.#verdict}`, { aheadMs });
  }

  /** The same, and notes the time that is trusted when that is due. */
  async look(): Promise<void> {
    this.judge();
    if (this.#doubtedAt !== undefined) return;
    const now = this.#now();
    // Also after it was accepted that the time is an earlier one
    if (Math.abs(now - this.#noted) < NOTE_EVERY_MS) return;
    await this.note();
  }

  /** Notes the time that is trusted; nothing while none is. */
  async note(): Promise<void> {
    const now = this.#now();
    if (this.#doubtedAt !== undefined) return;
    await this.#parts.store.update((tx) => this.#write(tx, now));
    this.#noted = now;
  }

  /**
   * Takes the wall clock for right from now on.
   *
   * @throws {SwarmdError} `precondition` when it is not in doubt
   */
  async accept(by: string): Promise<AcceptedClock> {
    const { clock, store, logger } = this.#parts;
    await this.look();
    if (this.#doubtedAt === undefined) throw notInDoubt(clock.now());
    const [now, expected] = [clock.now(), this.#expected()];
    const why = `expected was ${formatTime(expected)}`;
    await store.update((tx) => {
      this.#write(tx, now);
      audit(tx, { at: now, action: "clock-accepted", by, why });
    });
    this.#noted = now;
    this.#trust();
    logger.warn("The wall clock was accepted", { now, expected });
    return { now: formatTime(now), expected: formatTime(expected) };
  }

  /** The time that counts; a step is noticed by whoever asks first. */
  #now(): number {
    const { clock, logger } = this.#parts;
    const wall = clock.now();
    const expected = this.#expected();
    if (this.#doubtedAt !== undefined) return expected;
    if (isNear(wall - expected)) {
      this.#anchor = { wall, mark: clock.monotonic() };
      return wall;
    }
    this.#doubtedAt = clock.monotonic();
    this.#verdict = "doubtful";
    logger.warn("The wall clock is not where it was expected", {
      ...{ wall, expected },
    });
    return expected;
  }

  #expected(): number {
    const { wall, mark } = this.#anchor;
    return wall + this.#parts.clock.monotonic() - mark;
  }

  #assess(doubtedAt: number): ClockVerdict {
    const { clock, store } = this.#parts;
    return judgeClock({
      aheadMs: clock.now() - this.#expected(),
      doubtMs: clock.monotonic() - doubtedAt,
      nodes: store.view((view) => view.count("node")) - 1,
      skewsMs: this.#skewsMs(),
    });
  }

  #skewsMs(): number[] {
    const { clock, skewsMs } = this.#parts;
    const oldest = clock.monotonic() - WITNESS_MS;
    const all = new Map<string, number>();
    for (const [nodeId, { skewMs, saidAt }] of this.#witnesses) {
      if (saidAt >= oldest) all.set(nodeId, skewMs);
    }
    for (const [nodeId, skewMs] of skewsMs()) all.set(nodeId, skewMs);
    return [...all.values()];
  }

  #trust(): void {
    const { clock, moved } = this.#parts;
    this.#witnesses.clear();
    this.#anchor = { wall: clock.now(), mark: clock.monotonic() };
    this.#doubtedAt = undefined;
    this.#verdict = "trusted";
    moved();
  }

  #write(tx: Transaction, trustedTime: number): void {
    const { nodeId } = this.#parts;
    const node = tx.get("node", nodeId);
    if (node) tx.put("node", nodeId, { ...node, trustedTime });
  }
}

function around(clock: Clock, now: () => number): Clock {
  return {
    now,
    monotonic: () => clock.monotonic(),
    schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
  };
}

function notInDoubt(now: number): SwarmdError {
  return new SwarmdError(
    "precondition",
    `Cannot accept the clock: ${formatTime(now)} is not in doubt`,
    { verdict: "stop" },
  );
}
