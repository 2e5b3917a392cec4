import { fromBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { audit } from "../cluster/audit.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import {
  abort,
  DEFAULT_DEADLINE_MS,
  finish,
  isCrossDue,
  orderBase,
  withCross,
} from "../cluster/root_rotation.ts";
import { withEnd } from "../cluster/rotation_end.ts";
import { progress } from "../cluster/rotation_progress.ts";
import { advance, forgetHistory } from "../cluster/rotation_steps.ts";
import { tokenRootOf } from "../cluster/root_views.ts";
import { CLUSTER, type Transaction, type View } from "../cluster/store.ts";
import { replaceAllStanding } from "../cluster/tokens.ts";
import { readCertificate } from "../pki/certificate.ts";
import { newestKey } from "../pki/sealed.ts";
import { changeServers, isPresentAuthority } from "./authority_servers.ts";
import { makeStandingTokens } from "./bootstrap.ts";
import { cutOff, type CutReport } from "./cut_over.ts";
import { lookAtFleet } from "./fleet_look.ts";
import { mustCluster } from "./records.ts";
import {
  crossBackOf,
  crossPair,
  planRotation,
  readSource,
  type RotationWish,
} from "./rotation_orders.ts";
import type { RotationParts } from "./rotation_parts.ts";

/** What a change of the record is for. */
interface Change {
  readonly by: "operator" | "manager";
  /** Absent: what became of the rotation. */
  readonly why?: string;
}

/**
 * Every change that the rotation of the root makes to the record, one at a
 * time: what is made for one record must neither hit the next one, nor have
 * the keys forgotten that another change has just opened.
 */
export class RotationChanges {
  readonly #parts: RotationParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: RotationParts) {
    this.#parts = parts;
  }

  /**
   * Begins a rotation, or another one in place of the one under way.
   *
   * @returns its id; `undefined` when none is needed, since only the servers
   * of the present authority changed
   */
  async start(wish: RotationWish): Promise<string | undefined> {
    const { store, authorities } = this.#parts;
    const source = await readSource(this.#parts, wish);
    return await this.#exclusive(async () => {
      // The root may be another one by now
      if (source && isPresentAuthority(store.view(mustCluster), source)) {
        await changeServers(this.#parts, source);
        return undefined;
      }
      const { id, next } = await planRotation(this.#parts, { wish, source });
      await authorities.prepare(next(store.view(mustCluster)));
      const why = `rotation ${id} begins`;
      await this.#change(next, { by: "operator", why });
      return id;
    });
  }

  /** Cuts the present root off, as compromised: that of this moment. */
  async cutOff(options: { readonly cutAll: boolean }): Promise<CutReport> {
    const from = orderBase(this.#parts.store.view(mustCluster));
    const report = await this.#exclusive(() =>
      cutOff(this.#parts, { ...options, from })
    );
    this.#parts.logger.warn("The root was cut off as compromised", {
      carried: report.carried.length,
      left: report.left.length,
    });
    return report;
  }

  /** Turns the rotation back. */
  async abort(): Promise<void> {
    await this.#exclusive(async () => {
      const before = this.#parts.store.view(mustCluster);
      const id = rotationIn(before);
      const crossBack = await crossBackOf(before, this.#parts);
      const step = {
        id,
        now: this.#parts.clock.now(),
        deadlineMs: DEFAULT_DEADLINE_MS,
        ...(crossBack && { crossBack }),
      };
      const why = `rotation ${id} is aborted`;
      await this.#change((c) => abort(c, step), { by: "operator", why });
    });
  }

  /** Ends the rotation without those that cannot follow. */
  async finish(): Promise<void> {
    const { store, clock } = this.#parts;
    await this.#exclusive(async () => {
      const id = rotationIn(store.view(mustCluster));
      const step = { id, now: clock.now() };
      const why = `rotation ${id} is to end without stragglers`;
      await this.#change((c) => finish(c, step), { by: "operator", why });
    });
  }

  /** Takes every step that the record allows now. */
  async advance(): Promise<void> {
    await this.#exclusive(async () => {
      await this.#signAnew();
      while (await this.#advanceOnce());
      await this.#forgetHistory();
    });
  }

  /** What was opened for a record that could not be written is forgotten. */
  async #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const { authorities } = this.#parts;
    const mine = this.#last.then(change).finally(() => authorities.forget());
    this.#last = mine.catch(() => {}); // told to its caller
    return await mine;
  }

  /** @returns whether there was a step to take */
  async #advanceOnce(): Promise<boolean> {
    const { store, authorities, logger, clock } = this.#parts;
    const next = (view: View) =>
      advance(mustCluster(view), lookAtFleet(this.#parts, view));
    if (!this.#mayAdvance()) return false;
    const step = store.view(next);
    if (!step) return false;
    await authorities.prepare(step);
    const tokens = await this.#tokensFor(step);
    await store.update((tx) => {
      const after = next(tx);
      if (!after) return;
      const by = "manager";
      this.#put(tx, after, { by });
      const now = clock.now();
      if (tokens) replaceAllStanding(tx, { tokens, by, now });
    });
    const { phase = "stable" } = step.rotation ?? {};
    logger.info("Root rotation", {
      phase,
      why: fateOf(store.view(mustCluster)),
    });
    return true;
  }

  /** Most looks come while somebody is behind: they cost next to nothing. */
  #mayAdvance(): boolean {
    const { store, fleet, clock } = this.#parts;
    return fleet.mayBeOver(store.view(mustCluster), clock.now());
  }

  async #forgetHistory(): Promise<void> {
    const { store, clock } = this.#parts;
    const now = clock.now();
    if (!store.view((view) => forgetHistory(mustCluster(view), now))) return;
    await store.update((tx) => {
      const after = forgetHistory(mustCluster(tx), now);
      if (after) tx.put("cluster", CLUSTER, after);
    });
  }

  /**
   * Where joiners have to pin another root while a rotation lasts, nothing leads
   * them to it from the one that they pinned.
   */
  async #tokensFor(step: ClusterRecord) {
    const before = this.#parts.store.view(mustCluster);
    const pinned = tokenRootOf(before).generation;
    if (!step.rotation || tokenRootOf(step).generation === pinned) {
      return undefined;
    }
    const { crypto, random, clock, keyRing } = this.#parts;
    const key = newestKey(keyRing);
    const plan = { crypto, random, now: clock.now(), key };
    return await makeStandingTokens(plan);
  }

  /** A rotation that lasts outlives its cross-signatures. */
  async #signAnew(): Promise<void> {
    const { store, clock, crypto, random, authorities } = this.#parts;
    const cluster = store.view(mustCluster);
    const now = clock.now();
    const { rotation } = cluster;
    if (!rotation || !isCrossDue(cluster, now)) return;
    const { target: record } = rotation;
    const der = fromBase64(record.certificate);
    const certificate = await readCertificate(crypto, der);
    const crossed = await crossPair(cluster, {
      crypto,
      random,
      now,
      present: authorities.present,
      made: { certificate, record },
      deadline: now + DEFAULT_DEADLINE_MS,
    });
    const step = { id: rotation.id, crossed };
    await authorities.prepare(withCross(cluster, step));
    await this.#change((c) => withCross(c, step), {
      by: "manager",
      why: `rotation ${rotation.id} is cross-signed anew`,
    });
  }

  async #change(
    change: (cluster: ClusterRecord) => ClusterRecord,
    { by, why }: Required<Change>,
  ): Promise<void> {
    const { store, logger } = this.#parts;
    await store.update((tx) => {
      const before = mustCluster(tx);
      const after = change(before);
      // Such as an abort of what is returning already: nothing was decided.
      if (after !== before) this.#put(tx, after, { by, why });
    });
    logger[by === "operator" ? "warn" : "info"]("Root rotation", { why });
  }

  #put(
    tx: Transaction,
    after: ClusterRecord,
    { by, why: given }: Change,
  ): void {
    const before = mustCluster(tx);
    const at = this.#parts.clock.now();
    const stragglers = () =>
      progress(before, lookAtFleet(this.#parts, tx))?.stragglers ?? [];
    const cluster = withEnd(before, after, { now: at, stragglers });
    tx.put("cluster", CLUSTER, cluster);
    const why = given ?? fateOf(cluster);
    audit(tx, { at, action: "rotation", by, why });
  }
}

/** What became of a rotation, for people. */
function fateOf({ rotation, lastRotation }: ClusterRecord): string {
  if (rotation) return `rotation ${rotation.id} is ${rotation.phase}`;
  const { id = "", outcome = "over", stragglers = [], more = 0 } =
    lastRotation ?? {};
  const left = stragglers.length + more;
  const behind = left > 0 ? `, ${left} left behind` : "";
  return `rotation ${id} ${outcome}${behind}`;
}

function rotationIn({ rotation }: ClusterRecord): string {
  if (rotation) return rotation.id;
  throw new SwarmdError("precondition", "No root rotation is under way", {
    verdict: "stop",
  });
}
