import { fromBase64 } from "../base/bytes.ts";
import { describeError, SwarmdError } from "../base/errors.ts";
import { HOUR, MINUTE, SECOND, sleep } from "../base/time.ts";
import { audit } from "../cluster/audit.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import {
  abort,
  DEFAULT_DEADLINE_MS,
  finish,
  isCrossDue,
  replace,
  start,
  withCross,
} from "../cluster/root_rotation.ts";
import { advance, forgetHistory } from "../cluster/rotation_steps.ts";
import {
  FINISH_PATIENCE_MS,
  nodeFacts,
  progress,
  type RotationLook,
  type RotationProgress,
} from "../cluster/rotation_progress.ts";
import { CLUSTER, type Transaction, type View } from "../cluster/store.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import { CA_NAME } from "../pki/profile.ts";
import { cutOff, type CutReport } from "./cut_over.ts";
import { newestKey } from "../pki/sealed.ts";
import { makeStandingToken } from "./bootstrap.ts";
import { mustCluster } from "./records.ts";
import { RehearsalDesk } from "./rehearsal.ts";
import { RotationAsker } from "./rotation_asker.ts";
import {
  crossPair,
  makeNextRoot,
  orderRotation,
  type RotationWish,
} from "./rotation_orders.ts";
import type { RotationParts } from "./rotation_parts.ts";

/** Shortest time between two looks at the fleet, in milliseconds. */
const MIN_PAUSE = 5;
/** The same for each node: a look at 1,000 takes 3 ms. */
const PAUSE_PER_NODE = 0.025;
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
  readonly #asker: RotationAsker;
  #wake = Promise.withResolvers<void>();
  #last: Promise<unknown> = Promise.resolve();
  #selfFailedAt = -Infinity;

  constructor(parts: RotationParts) {
    this.#parts = parts;
    this.#asker = new RotationAsker(parts);
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

  /** Begins a rotation, or another one in place of the one under way. */
  async start(wish: RotationWish): Promise<ClusterRecord> {
    return await this.#exclusive(() => this.#start(wish));
  }

  async #start(wish: RotationWish): Promise<ClusterRecord> {
    const { store, authorities, clock } = this.#parts;
    // Without the key it cannot vouch for another: refused before all else
    const present = wish.trustFirst
      ? { root: foreign(authorities.root) }
      : authorities.present;
    const source = await this.#source(wish);
    const before = store.view(mustCluster);
    const now = clock.now();
    const making = { ...this.#parts, now, ...(source && { source }) };
    const made = await makeNextRoot(before, making);
    const plan = { ...making, present, made, wish };
    const order = await orderRotation(before, plan);
    const next = (cluster: ClusterRecord) =>
      cluster.rotation
        ? replace(cluster, { ...order, replaces: cluster.rotation.id })
        : start(cluster, order);
    await authorities.prepare(next(before));
    return await this.#change(next, `rotation ${order.id} begins`);
  }

  /** One root is made at a time: each counts on from the one before. */
  async #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(change);
    this.#last = mine.catch(() => {}); // told to its caller
    return await mine;
  }

  /** Where the next root comes from; nothing for one of our own. */
  async #source({ authority }: RotationWish) {
    const { readAuthority } = this.#parts;
    if (!authority) return undefined;
    if (readAuthority) return await readAuthority(authority);
    throw new SwarmdError("not-supported", "Only own roots are known here");
  }

  /** Cuts the present root off, as compromised. */
  async cutOff(options: { readonly cutAll: boolean }): Promise<CutReport> {
    const report = await this.#exclusive(() => cutOff(this.#parts, options));
    this.#parts.logger.warn("The root was cut off as compromised", {
      carried: report.carried.length,
      left: report.left.length,
    });
    return report;
  }

  /** Turns the rotation back. */
  async abort(): Promise<ClusterRecord> {
    const { store, clock } = this.#parts;
    const id = rotationIn(store.view(mustCluster));
    const step = { id, now: clock.now(), deadlineMs: DEFAULT_DEADLINE_MS };
    return await this.#change(
      (c) => abort(c, step),
      `rotation ${id} is aborted`,
    );
  }

  /** Ends the rotation without those that cannot follow. */
  async finish(): Promise<ClusterRecord> {
    const { store, clock } = this.#parts;
    const id = rotationIn(store.view(mustCluster));
    const step = { id, now: clock.now() };
    const why = `rotation ${id} is to end without stragglers`;
    return await this.#change((cluster) => finish(cluster, step), why);
  }

  /** How far it is; `undefined` when none is under way. */
  progress(): RotationProgress | undefined {
    const { store } = this.#parts;
    return store.view((view) =>
      progress(mustCluster(view), this.#lookAt(view))
    );
  }

  async #look(): Promise<void> {
    const { logger } = this.#parts;
    try {
      await this.#advance();
      await this.#followSelf();
      await this.#asker.ask();
    } catch (error) {
      logger.error("The rotation of the root is held up", {
        error: describeError(error),
      });
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { clock, store } = this.#parts;
    const nodes = store.view((view) => view.count("node"));
    const least = Math.max(MIN_PAUSE, nodes * PAUSE_PER_NODE);
    await sleep(clock, least, signal).catch(() => {});
    const late = new AbortController();
    const longest = sleep(clock, this.#untilNextLook(), late.signal)
      .catch(() => {});
    await Promise.race([this.#wake.promise, longest]);
    late.abort();
    await longest;
  }

  /** Nothing but time brings the deadline, or the end of a patience. */
  #untilNextLook(): number {
    const { clock, store } = this.#parts;
    const { rotation } = store.view(mustCluster);
    const { deadline = Infinity, finishAt = Infinity } = rotation ?? {};
    const idle = rotation ? WAITING_PAUSE : IDLE_PAUSE;
    const longest = this.#asker.isBusy ? ASKING_PAUSE : idle;
    const moments = [deadline, finishAt + FINISH_PATIENCE_MS]
      .map((moment) => moment - clock.now()).filter((ms) => ms > 0);
    return Math.max(MIN_PAUSE, Math.min(longest, ...moments));
  }

  /** Every step that the record allows now. */
  async #advance(): Promise<void> {
    const { store, clock } = this.#parts;
    await this.#signAnew();
    for (;;) {
      // Without a rotation there is no reason to look at every node.
      const next = (view: View) =>
        mustCluster(view).rotation &&
        advance(mustCluster(view), this.#lookAt(view));
      const step = store.view(next);
      if (!step) break;
      await this.#parts.authorities.prepare(step);
      const tokens = await this.#tokensFor(step);
      await store.update((tx) => {
        const after = next(tx);
        if (!after) return;
        const switching = after.rotation?.phase === "switching";
        const cluster = switching && tokens ? { ...after, tokens } : after;
        this.#put(tx, { cluster, by: "manager", why: phaseOf(after) });
      });
      this.#parts.authorities.forget();
      this.#parts.logger.info("Root rotation", { phase: phaseOf(step) });
    }
    const now = clock.now();
    if (!store.view((view) => forgetHistory(mustCluster(view), now))) return;
    await store.update((tx) => {
      const after = forgetHistory(mustCluster(tx), now);
      if (after) tx.put("cluster", CLUSTER, after);
    });
  }

  /**
   * From `switching` on joiners have to pin the next root, which nothing leads
   * to from the present one.
   */
  async #tokensFor(step: ClusterRecord) {
    if (step.rotation?.phase !== "switching") return undefined;
    const { crypto, random, clock, keyRing } = this.#parts;
    const key = newestKey(keyRing);
    const plan = { crypto, random, now: clock.now(), key };
    return {
      worker: await makeStandingToken(plan, "worker"),
      manager: await makeStandingToken(plan, "manager"),
    };
  }

  /** A rotation that lasts outlives its cross-signatures. */
  async #signAnew(): Promise<void> {
    const { store, clock, crypto, random, authorities } = this.#parts;
    const cluster = store.view(mustCluster);
    const now = clock.now();
    const { rotation } = cluster;
    if (!rotation || !isCrossDue(cluster, now)) return;
    const { certificate, generation } = rotation.target;
    const root = await readCertificate(crypto, fromBase64(certificate));
    const crossed = await crossPair(cluster, {
      crypto,
      random,
      now,
      present: authorities.present,
      made: { certificate: root },
      generation,
      deadline: now + DEFAULT_DEADLINE_MS,
    });
    const step = { id: rotation.id, crossed };
    await authorities.prepare(withCross(cluster, step));
    await this.#change((c) => withCross(c, step), "cross-signed anew");
  }

  /** Managers first: whoever is asked next is to find them as they will be. */
  async #followSelf(): Promise<void> {
    const { clock, logger, followSelf } = this.#parts;
    if (clock.monotonic() - this.#selfFailedAt < SECOND) return;
    try {
      await followSelf();
    } catch (error) {
      this.#selfFailedAt = clock.monotonic();
      logger.error("This manager cannot follow the rotation of the root yet", {
        error: describeError(error),
      });
    }
  }

  #lookAt(view: View): RotationLook {
    const { sessions, clock, nodeId } = this.#parts;
    const nodes = [...view.list("node")].map((node) => {
      const here = node.id === nodeId ||
        sessions.of(node.id)?.connection !== undefined;
      const downSince = sessions.lastSeen(node.id) ?? node.firstSeen;
      const isDown = !here && downSince !== undefined;
      return nodeFacts(node, isDown ? { downSince } : {});
    });
    return { nodes, now: clock.now() };
  }

  async #change(
    change: (cluster: ClusterRecord) => ClusterRecord,
    why: string,
  ): Promise<ClusterRecord> {
    const { store, authorities, logger } = this.#parts;
    const after = await store.update((tx) => {
      const next = change(mustCluster(tx));
      this.#put(tx, { cluster: next, by: "operator", why });
      return next;
    });
    authorities.forget();
    logger.warn("Root rotation", { why });
    return after;
  }

  #put(
    tx: Transaction,
    { cluster, by, why }: {
      readonly cluster: ClusterRecord;
      readonly by: "operator" | "manager";
      readonly why: string;
    },
  ): void {
    tx.put("cluster", CLUSTER, cluster);
    const at = this.#parts.clock.now();
    audit(tx, { at, action: "rotation", by, why });
  }
}

/** Nodes take no new root on a manager's word while they trust one of ours. */
function foreign(root: Certificate): Certificate {
  if (root.subject.commonName !== CA_NAME) return root;
  throw new SwarmdError(
    "precondition",
    "Cannot rotate by trust first: the present root is the cluster's own, and can vouch for the next",
    { verdict: "stop", hint: "Leave --trust-first out" },
  );
}

/** The phase of a record, for people. */
function phaseOf({ rotation }: ClusterRecord): string {
  return rotation?.phase ?? "stable";
}

function rotationIn({ rotation }: ClusterRecord): string {
  if (rotation) return rotation.id;
  throw new SwarmdError("precondition", "No root rotation is under way", {
    verdict: "stop",
  });
}
