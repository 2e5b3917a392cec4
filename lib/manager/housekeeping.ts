import { describeError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { backoffDelay } from "../base/backoff.ts";
import type { Random } from "../base/random.ts";
import { chunks } from "../base/slices.ts";
import { type Clock, MINUTE, SECOND, sleep } from "../base/time.ts";
import { compactDenylist, deny, WRITE_SLICE } from "../cluster/denylist.ts";
import { type DenylistIndex, END_STEP } from "../cluster/denylist_index.ts";
import { findGhosts, removeGhost } from "../cluster/ghosts.ts";
import { dropPrevious } from "../cluster/node.ts";
import type { Overlaps } from "../cluster/overlaps.ts";
import { findForgettable, forgetRemoved } from "../cluster/removal.ts";
import type { Store, Transaction, View } from "../cluster/store.ts";
import { findEndedTokens } from "../cluster/tokens.ts";
import { applicantOf, findForgotten } from "../cluster/waiting.ts";
import type { AuditHeads } from "./audit_heads.ts";
import type { ClockGuard } from "./clock_guard.ts";
import type { Frontdesk } from "./frontdesk.ts";
import { mustCluster } from "./records.ts";

/** What housekeeping works with. */
export interface HousekeepingParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Store;
  readonly denylist: DenylistIndex;
  readonly overlaps: Overlaps;
  readonly desk: Frontdesk;
  readonly heads: AuditHeads;
  readonly clockGuard: Pick<ClockGuard, "judge" | "look">;
  readonly random: Random;
  /** What the cluster's keys still have to do; absent: nothing. */
  readonly sealing?: Sealing;
}

/** A change of the cluster's keys that may be left half done. */
export interface Sealing {
  /** Why it is not done; `undefined`: it is. */
  readonly unfinished: () => string | undefined;
  /** Goes on with it. */
  finish(): Promise<void>;
}

/** Time between two looks for what can be forgotten, in milliseconds. */
const COMPACT_EVERY = END_STEP;
/** Sessions that are asked to move in one round, at the least. */
const MIN_MOVES = 16;
/** Between two tries to finish what the keys began. */
const SEAL_AGAIN = { baseMs: 10 * SECOND, maxMs: 10 * MINUTE };
/** Rounds in which all sessions have been asked to move. */
const ROUNDS_TO_MOVE_ALL = 60;

/**
 * Everything that is judged by time, once a second: the silent, the
 * certificates that ended, the overlaps that are over, and those still served
 * with an old certificate.
 */
export class Housekeeping {
  readonly #parts: HousekeepingParts;
  #compactAt: number;
  #sealAt = 0;
  #sealFailures = 0;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
    this.#compactAt = parts.clock.monotonic() + COMPACT_EVERY;
  }

  /** Goes on through every failure: a full disk ends writing, not serving. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, store, logger } = this.#parts;
    for (;;) {
      const { heartbeatMs } = store.view(mustCluster);
      await sleep(clock, Math.max(SECOND, heartbeatMs / 10), signal);
      try {
        await this.#round(heartbeatMs);
      } catch (error) {
        logger.error("Housekeeping failed; it goes on", {
          error: describeError(error),
        });
      }
    }
  }

  async #round(heartbeatMs: number): Promise<void> {
    const { desk, clockGuard } = this.#parts;
    clockGuard.judge();
    desk.sessions.sweep(heartbeatMs);
    desk.sweep();
    this.#moveOff();
    await this.#endOverlaps();
    await desk.writeNotes();
    await this.#compact();
    await this.#parts.heads.round();
    await clockGuard.look();
    await this.#finishSealing();
  }

  /** The manager serves meanwhile, and status says what is not done. */
  async #finishSealing(): Promise<void> {
    const { sealing, clock, logger, random } = this.#parts;
    if (!sealing || sealing.unfinished() === undefined) {
      this.#sealFailures = 0;
      return;
    }
    if (clock.monotonic() < this.#sealAt) return;
    await sealing.finish().catch(() => {}); // `unfinished` says why
    const why = sealing.unfinished();
    if (why === undefined) return logger.info("Secrets are sealed anew");
    this.#sealFailures++;
    const pauseMs = backoffDelay(this.#sealFailures, SEAL_AGAIN, random);
    this.#sealAt = clock.monotonic() + pauseMs;
    logger.error("Secrets not sealed anew; it is tried again", { why });
  }

  /** Whoever was served with an older certificate moves, a few at a time. */
  #moveOff(): void {
    const { desk } = this.#parts;
    const serving = desk.servingWith();
    const share = Math.ceil(desk.sessions.size / ROUNDS_TO_MOVE_ALL);
    desk.moveWhere((carrier) => carrier.servedWith !== serving, {
      most: Math.max(MIN_MOVES, share),
      reason: "this manager has a newer certificate",
    });
  }

  /** After a stop of the manager all may be over at once. */
  async #endOverlaps(): Promise<void> {
    const { store, clock, overlaps } = this.#parts;
    const now = clock.now();
    for (const slice of chunks(overlaps.over(now), WRITE_SLICE)) {
      await store.update((tx) => {
        for (const nodeId of slice) endOverlap(tx, { nodeId, now });
      });
    }
  }

  /** Forgets what has ended, nodes that never came, and who waited in vain. */
  async #compact(): Promise<void> {
    const { store, denylist: index, clock } = this.#parts;
    if (clock.monotonic() < this.#compactAt) return;
    this.#compactAt = clock.monotonic() + COMPACT_EVERY;
    const now = clock.now();
    for (const find of FORGETTABLE) {
      await sleep(clock, 0); // each looks through all records of a kind
      const deeds = store.view((view) => find(view, now));
      for (const slice of chunks(deeds, WRITE_SLICE)) {
        await store.update((tx) => {
          for (const forget of slice) forget(tx);
        });
      }
    }
    await compactDenylist(store, { index, now });
  }
}

/** What is forgotten in its time, and how: it is looked at again as it goes. */
const FORGETTABLE: readonly ((
  view: View,
  now: number,
) => ((tx: Transaction) => void)[])[] = [
  (view, now) =>
    findGhosts(view, now).map(({ id: nodeId }) => (tx) =>
      removeGhost(tx, { nodeId, now })
    ),
  (view, now) =>
    findForgettable(view, now).map((each) => (tx) => forgetRemoved(tx, each)),
  (view, now) =>
    findEndedTokens(view, now).map(({ id }) => (tx) => tx.remove("token", id)),
  (view, now) =>
    findForgotten(view, now).map(({ spki }) => (tx) => {
      // It may have come again meanwhile
      if (!applicantOf(tx, { spki, now })) tx.remove("applicant", spki);
    }),
];

function endOverlap(
  tx: Transaction,
  { nodeId, now }: { readonly nodeId: string; readonly now: number },
): void {
  const before = tx.get("node", nodeId);
  if (!before) return;
  const { node, superseded } = dropPrevious(before, now);
  if (!superseded) return;
  tx.put("node", nodeId, node);
  const entry = { ...superseded, nodeId, deniedAt: now };
  deny(tx, { ...entry, reason: "superseded" });
}
