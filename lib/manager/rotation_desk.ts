import { describeError } from "../base/errors.ts";
import { HOUR, MINUTE, SECOND, sleep, WOKEN } from "../base/time.ts";
import {
  FINISH_PATIENCE_MS,
  overdue,
  patienceEnds,
  progress,
  type RotationProgress,
} from "../cluster/rotation_progress.ts";
import type { Straggler } from "../cluster/root_record.ts";
import type { CutReport } from "./cut_over.ts";
import { factsOf, lookAtFleet } from "./fleet_look.ts";
import { nodeSlices } from "./node_slices.ts";
import { mustCluster } from "./records.ts";
import { RehearsalDesk } from "./rehearsal.ts";
import { RotationAsker } from "./rotation_asker.ts";
import { RotationChanges } from "./rotation_changes.ts";
import type { RotationWish } from "./rotation_orders.ts";
import type { RotationParts } from "./rotation_parts.ts";

/** Shortest time between two looks at the fleet, in milliseconds. */
const MIN_PAUSE = 5;
/** More for each node that was looked at: 1,000 take 3 ms. */
const PAUSE_PER_NODE = 0.025;
/** Nodes that are looked at in one turn, for an operator. */
const LOOK_SLICE = 512;
/** Longest time between two looks while somebody is asked, in milliseconds. */
const ASKING_PAUSE = 5 * SECOND;
/** While a rotation waits: joiners that never came stop to count. */
const WAITING_PAUSE = 10 * MINUTE;
/** And else: history is forgotten. Whatever changes wakes it. */
const IDLE_PAUSE = HOUR;

/**
 * Drives the rotation of the root. All that it knows is in the store: it looks
 * whenever something changes, takes the next step when the record says so, and
 * asks whoever is behind. A restarted manager goes on where it was.
 */
export class RotationDesk {
  readonly #parts: RotationParts;
  readonly rehearsal: RehearsalDesk;
  readonly #changes: RotationChanges;
  readonly #asker: RotationAsker;
  #wake = Promise.withResolvers<void>();
  /** Tries in a row in which this manager could not follow. */
  #selfFailures = 0;
  /** No try before, by the monotonic clock, in milliseconds. */
  #selfAgainAt = -Infinity;
  /** Id of the rotation whose deadline was in the log. */
  #overdue: string | undefined;

  constructor(parts: RotationParts) {
    this.#parts = parts;
    this.#asker = new RotationAsker(parts);
    this.#changes = new RotationChanges(parts);
    this.rehearsal = new RehearsalDesk(parts);
  }

  /** A node's session opened, or went on. */
  came(nodeId: string): void {
    this.#asker.came(nodeId);
    this.wake();
  }

  /** Something may have changed. */
  wake(): void {
    this.#wake.resolve();
  }

  /** Goes on through every failure: a full disk ends a step, not the rotation. */
  async run(signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const unwatch = store.watch((changes) => {
      if (changes.some(({ kind }) => kind === "node" || kind === "cluster")) {
        this.wake();
      }
    });
    const stop = () => this.wake();
    signal.addEventListener("abort", stop, { once: true });
    try {
      while (!signal.aborted) {
        // What changes while it looks is a reason to look again.
        this.#wake = Promise.withResolvers();
        await this.#look();
        await this.#pause(signal);
      }
    } finally {
      unwatch();
      signal.removeEventListener("abort", stop);
    }
  }

  /**
   * Begins a rotation, or another one in place of the one under way.
   *
   * @returns its id; `undefined` when none is needed
   */
  async start(wish: RotationWish): Promise<string | undefined> {
    return await this.#changes.start(wish);
  }

  /** Cuts the present root off, as compromised. */
  async cutOff(options: { readonly cutAll: boolean }): Promise<CutReport> {
    return await this.#changes.cutOff(options);
  }

  /** Turns the rotation back. */
  async abort(): Promise<void> {
    await this.#changes.abort();
  }

  /** Ends the rotation without those that cannot follow. */
  async finish(): Promise<void> {
    await this.#changes.finish();
  }

  /** How far it is; `undefined` when none is under way. */
  async progress(): Promise<RotationProgress | undefined> {
    const { store, clock } = this.#parts;
    const cluster = store.view(mustCluster);
    const { rotation } = cluster;
    if (!rotation) return undefined;
    let [done, total] = [0, 0];
    const stragglers: Straggler[] = [];
    for await (const slice of nodeSlices(this.#parts, LOOK_SLICE)) {
      const nodes = factsOf(slice, { ...this.#parts, cluster });
      const part = progress(cluster, { nodes, now: clock.now() });
      done += part?.done ?? 0;
      total += part?.total ?? 0;
      stragglers.push(...part?.stragglers ?? []);
    }
    return { phase: rotation.phase, done, total, stragglers };
  }

  /**
   * What an operator should see to, a sentence each. Past the deadline too, a
   * phase has just begun as long as it may have, where all nodes are well.
   */
  alarms(): string[] {
    const { store, clock } = this.#parts;
    const { rotation } = store.view(mustCluster);
    // Before there is no reason to look at every node.
    if (!rotation || clock.now() < patienceEnds(rotation)) return [];
    const alarm = store.view((view) =>
      overdue(mustCluster(view), lookAtFleet(this.#parts, view))
    );
    return alarm === undefined ? [] : [alarm];
  }

  async #look(): Promise<void> {
    const { logger } = this.#parts;
    try {
      await this.#changes.advance();
      this.#tellOverdue();
      if (await this.#followSelf()) await this.#asker.ask();
    } catch (error) {
      logger.error("The rotation of the root is held up", {
        error: describeError(error),
      });
    }
  }

  #tellOverdue(): void {
    const { clock, store, logger } = this.#parts;
    const { rotation } = store.view(mustCluster);
    if (!rotation || clock.now() < rotation.deadline) return;
    if (this.#overdue === rotation.id) return;
    const [alarm] = this.alarms();
    if (alarm === undefined) return;
    this.#overdue = rotation.id;
    logger.error(alarm);
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const least = MIN_PAUSE + this.#asker.looked * PAUSE_PER_NODE;
    await sleep(clock, least, signal).catch(() => {});
    const late = new AbortController();
    const longest = sleep(clock, this.#untilNextLook(), late.signal)
      .catch(() => {});
    await Promise.race([this.#wake.promise, longest]);
    late.abort(WOKEN);
    await longest;
  }

  /** Nothing but time brings the deadline, the end of a patience, or an alarm. */
  #untilNextLook(): number {
    const { clock, store } = this.#parts;
    const { rotation } = store.view(mustCluster);
    const { deadline = Infinity, finishAt = Infinity } = rotation ?? {};
    const idle = rotation ? WAITING_PAUSE : IDLE_PAUSE;
    const patience = rotation ? patienceEnds(rotation) : Infinity;
    const now = clock.now();
    // That a node is down is known after some beats, and no change tells it.
    const isPatient = now >= deadline && now < patience;
    const longest = this.#asker.isBusy || isPatient ? ASKING_PAUSE : idle;
    const moments = [deadline, patience, finishAt + FINISH_PATIENCE_MS]
      .map((moment) => moment - now).filter((ms) => ms > 0);
    if (this.#selfFailures > 0) {
      moments.push(this.#selfAgainAt - clock.monotonic());
    }
    return Math.max(MIN_PAUSE, Math.min(longest, ...moments));
  }

  /**
   * Managers first: whoever is asked next is to find them as they will be, and
   * nobody is led to where this manager cannot go itself.
   *
   * @returns whether it is where the record has it
   */
  async #followSelf(): Promise<boolean> {
    const { clock, logger, followSelf } = this.#parts;
    if (clock.monotonic() < this.#selfAgainAt) return false;
    try {
      await followSelf();
      this.#selfFailures = 0;
      return true;
    } catch (error) {
      // Each try may cost a certificate, of an authority elsewhere, too.
      const pauseMs = SECOND * 2 ** this.#selfFailures++;
      this.#selfAgainAt = clock.monotonic() + Math.min(pauseMs, MINUTE);
      logger.error("This manager cannot follow the rotation of the root yet", {
        error: describeError(error),
      });
      return false;
    }
  }
}
