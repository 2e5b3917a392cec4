import { SwarmdError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { type Clock, formatDuration, SECOND } from "../base/time.ts";
import type { Applicant } from "../cluster/applicant.ts";
import { nextBeat } from "../cluster/liveness.ts";
import type { Change, RecordChange, Store } from "../cluster/store.ts";
import { WAIT_MS } from "../cluster/waiting.ts";
import type { Connection } from "../rpc/connection.ts";
import type { IssuedResult } from "../rpc/schemas.ts";
import type { Outcome } from "./issuance_orders.ts";
import { pushOn } from "./node_session.ts";

/**
 * How often who waits hears of it, in milliseconds: often enough for the tables
 * of address translators, and 33 small messages a second where 1,000 wait.
 */
const PERIOD_MS = 30 * SECOND;

/** A connection whose one call may have to wait for an operator. */
export interface Visitor {
  readonly connection: Connection;
  /** Aborted when the connection ends. */
  readonly gone: AbortSignal;
  /** Its call is not timed any more, and no stranger takes its place. */
  wait(): void;
  /** Says why, and cuts. */
  refuse(error: SwarmdError): void;
}

/** What the waiting room works with. */
export interface WaitingRoomParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}

/** Asks for the present decision; the same question is answered again and again. */
type Ask = () => Promise<Outcome>;

/**
 * The connections of those who wait for an operator's word. It decides nothing:
 * when the store changes, it has the very same decision made again.
 *
 * An applicant has one seat, and applicants are bounded (`cluster/waiting`).
 * A half-open connection is found by the system, since nobody acknowledges what
 * is said on it, and ends with its place in the queue at the latest.
 */
export class WaitingRoom {
  readonly #parts: WaitingRoomParts;
  /** By the hash of the key. */
  readonly #seats = new Map<string, Seat>();
  readonly #unwatch: () => void;
  /** What whoever still comes is told. */
  #closed: SwarmdError | undefined;

  constructor(parts: WaitingRoomParts) {
    this.#parts = parts;
    this.#unwatch = parts.store.watch((changes) => {
      if (this.#seats.size > 0) changes.forEach((each) => this.#changed(each));
    });
  }

  /** Connections that wait. */
  get size(): number {
    return this.#seats.size;
  }

  /** Hashes of the keys of those who wait on them. */
  get keys(): Iterable<string> {
    return this.#seats.keys();
  }

  /**
   * Asks, and where that is undecided has the connection wait until it is.
   *
   * @throws what `ask` throws
   */
  async until(ask: Ask, visitor: Visitor): Promise<IssuedResult> {
    const first = await ask();
    if (!("applicant" in first)) return first;
    if (this.#closed) throw this.#closed;
    visitor.gone.throwIfAborted();
    const { spki } = first.applicant;
    const seat = new Seat(this.#parts, first.applicant, visitor);
    const before = this.#seats.get(spki);
    this.#seats.set(spki, seat);
    before?.end(takenOver());
    try {
      return await seat.decided(ask);
    } finally {
      if (this.#seats.get(spki) === seat) this.#seats.delete(spki);
    }
  }

  /** Everybody is told why, and is to ask again elsewhere, or later. */
  close(error: SwarmdError): void {
    this.#closed = error;
    this.#unwatch();
    for (const seat of [...this.#seats.values()]) seat.end(error);
  }

  /** Whatever a decision looks at; a change too many costs a look. */
  #changed(change: Change): void {
    if (change.kind === "applicant") this.#seats.get(change.id)?.wake();
    else if (change.kind === "cluster") {
      if (isDecisive(change)) this.#wake(() => true);
    } else if (change.kind === "token") {
      this.#wake(({ tokenId }) => tokenId === change.id);
    } else if (change.kind === "node") {
      this.#wake(({ nodeId }) => nodeId === change.id);
    }
  }

  #wake(concerns: (applicant: Applicant) => boolean): void {
    for (const seat of this.#seats.values()) {
      if (concerns(seat.applicant)) seat.wake();
    }
  }
}

/** One connection that waits. */
class Seat {
  readonly applicant: Applicant;
  readonly #parts: WaitingRoomParts;
  readonly #visitor: Visitor;
  #woken = Promise.withResolvers<void>();
  #cancelNext: () => void = () => {};

  constructor(
    parts: WaitingRoomParts,
    applicant: Applicant,
    visitor: Visitor,
  ) {
    this.#parts = parts;
    this.applicant = applicant;
    this.#visitor = visitor;
  }

  /** Something changed: it is decided again. */
  wake(): void {
    this.#woken.resolve();
  }

  end(error: SwarmdError): void {
    this.#visitor.refuse(error);
  }

  async decided(ask: Ask): Promise<IssuedResult> {
    const { gone } = this.#visitor;
    const wake = () => this.wake();
    gone.addEventListener("abort", wake, { once: true });
    this.#visitor.wait();
    this.#say();
    const cancelEnd = this.#endInTime();
    try {
      return await this.#asked(ask);
    } finally {
      gone.removeEventListener("abort", wake);
      cancelEnd();
      this.#cancelNext();
    }
  }

  async #asked(ask: Ask): Promise<IssuedResult> {
    for (;;) {
      // Before it is asked: what changes meanwhile is not missed.
      const { promise: woken } = this.#woken = Promise.withResolvers<void>();
      this.#visitor.gone.throwIfAborted();
      const outcome = await ask();
      if (!("applicant" in outcome)) return outcome;
      // Forgotten, and in the queue anew: people were shown another id.
      const { nodeId } = outcome.applicant;
      if (nodeId !== this.applicant.nodeId) throw forgotten();
      await woken;
    }
  }

  #say(): void {
    const { clock, random } = this.#parts;
    const nextMs = nextBeat(PERIOD_MS, random);
    const node = this.applicant.nodeId;
    pushOn(this.#visitor.connection, "pending", { node, nextMs });
    this.#cancelNext = clock.schedule(nextMs, () => this.#say());
  }

  /** With its place in the queue; a clock that was set back gives no more time. */
  #endInTime(): () => void {
    const { clock } = this.#parts;
    const leftMs = this.applicant.at + WAIT_MS - clock.now();
    const end = () => this.end(forgotten());
    return clock.schedule(Math.min(leftMs, WAIT_MS), end);
  }
}

/**
 * Anybody can have the number of revocation lists grow; it decides nothing. What
 * a change leaves alone is the same object: a look into it could be at a
 * megabyte, of the stragglers of the last rotation.
 */
function isDecisive(
  { before, after }: Extract<RecordChange, { kind: "cluster" }>,
): boolean {
  const [was, is] = [before, after].map((each): Record<string, unknown> => ({
    ...each,
    crlNumber: undefined,
  }));
  const fields = Object.keys({ ...was, ...is });
  return fields.some((field) => was?.[field] !== is?.[field]);
}

function takenOver(): SwarmdError {
  return new SwarmdError(
    "session-ended",
    "Connection closed: another one waits for an operator with the same key",
  );
}

function forgotten(): SwarmdError {
  return new SwarmdError(
    "timed-out",
    `Cannot wait any longer: no operator has decided within ${
      formatDuration(WAIT_MS)
    }`,
  );
}
