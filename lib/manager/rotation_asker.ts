import { slices } from "../base/slices.ts";
import { type Clock, MINUTE, SECOND, sleep } from "../base/time.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import type { NodeRecord } from "../cluster/node.ts";
import { issuerFor, offerFor } from "../cluster/root_views.ts";
import type { Store, View } from "../cluster/store.ts";
import type { Authorities } from "./authorities.ts";
import { mustCluster } from "./records.ts";
import type { Sessions } from "./sessions.ts";

/** Nodes that are asked and have not answered yet, at most. */
const IN_FLIGHT = 64;
/** How long one that was asked may take, in milliseconds. */
const ANSWER_MS = 30 * SECOND;
const MAX_BACKOFF = 10 * MINUTE;
/** Nodes that are looked at in one turn. */
const LOOK_SLICE = 512;

/** What asking works with. */
export interface AskerParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly authorities: Pick<Authorities, "offer">;
  /** Id of this manager's node. */
  readonly nodeId: string;
}

/** What a node is behind with. */
interface Need {
  /** Key id of the issuer that its certificate should have. */
  readonly renew?: string;
  /** Digest of the bundle that it should trust. */
  readonly bundle?: string;
  /** First it has to see this manager with the certificate that it has now. */
  readonly move?: true;
}

interface Due {
  readonly nodeId: string;
  readonly need: Need;
}

interface Asked {
  /** What was asked; another need is asked for at once. */
  readonly what: string;
  /** Issuer of the certificate that it was asked to get. */
  readonly renew: string | undefined;
  readonly times: number;
  /** Monotonic clock, in milliseconds. */
  readonly at: number;
}

/**
 * Asks connected nodes for what they are behind with, so many at a time: a
 * fleet that is let loose at once takes longer, and each of it much longer
 * (measured: 64 at a time 0.5 s for the slowest of 1,000, all at once 5 s).
 */
export class RotationAsker {
  readonly #parts: AskerParts;
  readonly #asked = new Map<string, Asked>();
  /** Who may be behind: at each connection a node is looked at once. */
  readonly #unsure = new Set<string>();
  #seen: ClusterRecord | undefined;
  #looked = 0;

  constructor(parts: AskerParts) {
    this.#parts = parts;
  }

  /** Whether somebody was asked and has not come yet. */
  get isBusy(): boolean {
    return this.#asked.size > 0;
  }

  /**
   * A node said `hello`: what it was asked before may be lost, unless it has
   * its certificate and is only to come with it. Asked again, it would renew
   * twice.
   */
  came(nodeId: string): void {
    this.#unsure.add(nodeId);
    const { renew } = this.#asked.get(nodeId) ?? {};
    const isIssued = renew !== undefined && renew === this.#pendingOf(nodeId);
    if (!isIssued) this.#asked.delete(nodeId);
  }

  /** Issuer of a certificate that a node was issued and not seen with. */
  #pendingOf(nodeId: string): string | undefined {
    return this.#parts.store.view((view) => view.get("node", nodeId))
      ?.certificates.pending?.issuerKeyId;
  }

  /** Nodes that the last `ask()` looked at. */
  get looked(): number {
    return this.#looked;
  }

  /** Asks as many more as may be under way. */
  async ask(): Promise<void> {
    const { store } = this.#parts;
    this.#looked = 0;
    this.#suspectAll(store.view(mustCluster));
    let free = IN_FLIGHT - await this.#settle();
    if (free <= 0) return;
    for await (const ids of this.#slices(this.#unsure)) {
      const due = store.view((view) => this.#findDue(view, { ids, free }));
      await this.#void(due);
      for (const { nodeId, need } of due) this.#tell(nodeId, need);
      free -= due.length;
      if (free === 0) break;
    }
  }

  /** Others have a turn between two of them, in which more may come. */
  #slices<T>(items: Iterable<T>): AsyncGenerator<readonly T[]> {
    const pause = () => sleep(this.#parts.clock, 0);
    return slices([...items], { size: LOOK_SLICE, pause });
  }

  /**
   * What a node said that it trusts is void from the moment on at which it is
   * sent something else.
   */
  async #void(due: readonly Due[]): Promise<void> {
    const voided = due.filter(({ need }) => need.bundle !== undefined);
    if (voided.length === 0) return;
    await this.#parts.store.update((tx) => {
      for (const { nodeId } of voided) {
        const node = tx.get("node", nodeId);
        if (!node) continue;
        const { trusts: _, ...silent } = node;
        tx.put("node", nodeId, silent);
      }
    });
  }

  #findDue(
    view: View,
    { ids, free }: { readonly ids: readonly string[]; readonly free: number },
  ): Due[] {
    const cluster = mustCluster(view);
    const due: Due[] = [];
    for (const nodeId of ids) {
      if (due.length >= free) break;
      this.#looked++;
      const node = view.get("node", nodeId);
      const isHere = this.#parts.sessions.of(nodeId)?.connection !== undefined;
      const need = node && isHere
        ? this.#needOf(node, { cluster, view })
        : undefined;
      if (!need) this.#unsure.delete(nodeId);
      if (need && this.#isDue(nodeId, need)) due.push({ nodeId, need });
    }
    return due;
  }

  /** What everybody should have may be another since the last look. */
  #suspectAll(cluster: ClusterRecord): void {
    if (this.#seen === cluster) return;
    this.#seen = cluster;
    for (const { nodeId } of this.#parts.sessions) this.#unsure.add(nodeId);
  }

  /** Forgets who has come; @returns how many are still under way */
  async #settle(): Promise<number> {
    const { store } = this.#parts;
    let inFlight = 0;
    for await (const slice of this.#slices(this.#asked)) {
      inFlight += store.view((view) => this.#settleThese(view, slice));
    }
    return inFlight;
  }

  #settleThese(
    view: View,
    asked: readonly (readonly [nodeId: string, Asked])[],
  ): number {
    const cluster = mustCluster(view);
    const now = this.#parts.clock.monotonic();
    let inFlight = 0;
    for (const [id, { at }] of asked) {
      this.#looked++;
      const node = view.get("node", id);
      const gone = !node || !this.#parts.sessions.of(id)?.connection;
      if (gone || !this.#needOf(node, { cluster, view })) {
        this.#asked.delete(id);
      } else if (now - at < ANSWER_MS) inFlight++;
    }
    return inFlight;
  }

  #isDue(nodeId: string, need: Need): boolean {
    const asked = this.#asked.get(nodeId);
    if (!asked || asked.what !== JSON.stringify(need)) return true;
    const waitMs = Math.min(MAX_BACKOFF, ANSWER_MS * 2 ** (asked.times - 1));
    return this.#parts.clock.monotonic() - asked.at >= waitMs;
  }

  #tell(nodeId: string, need: Need): void {
    const { sessions, clock, authorities } = this.#parts;
    const what = JSON.stringify(need);
    const before = this.#asked.get(nodeId);
    const times = before?.what === what ? before.times + 1 : 1;
    const { renew } = need;
    this.#asked.set(nodeId, { what, renew, times, at: clock.monotonic() });
    // Behind all others: who does not answer keeps nobody from being asked
    if (this.#unsure.delete(nodeId)) this.#unsure.add(nodeId);
    if (need.move) {
      const reason = "this manager has a certificate under the new root";
      sessions.of(nodeId)?.connection?.move(reason);
    }
    if (need.bundle !== undefined) {
      sessions.push(nodeId, "ca.bundle", authorities.offer(clock.now()));
    }
    if (need.renew !== undefined) {
      const reason = "the root of the cluster changes";
      sessions.push(nodeId, "node.renew-now", { reason, changed: true });
    }
  }

  #needOf(
    node: NodeRecord,
    { cluster, view }: { readonly cluster: ClusterRecord; readonly view: View },
  ): Need | undefined {
    const { clock, nodeId } = this.#parts;
    if (node.id === nodeId || node.admission !== "active") return undefined;
    const { role, trusts, certificates: { current, pending } } = node;
    const { root } = issuerFor(cluster, {
      role,
      now: clock.now(),
      ...(trusts !== undefined && { trusts }),
    });
    const keyId = root.facts?.keyId ?? "";
    const { digest } = offerFor(cluster, trusts) ?? {};
    // One that was issued may be lost with its answer: what was seen counts.
    const held = [current, pending].filter((each) => each !== undefined);
    const renew = held.some(({ issuerKeyId }) => issuerKeyId !== keyId);
    // Where the old root is gone, its own certificate has to change first.
    const bundle = renew && !cluster.rotation ? undefined : digest;
    if (!renew && bundle === undefined) return undefined;
    const move = bundle !== undefined &&
      this.#isBehindUs(node.id, { cluster, view });
    return {
      ...(renew && { renew: keyId }),
      ...(move ? { move } : bundle !== undefined && { bundle }),
    };
  }

  /**
   * Whether a connection was made with a certificate of this manager that does
   * not hold under the root that is left: the node would refuse the bundle.
   */
  #isBehindUs(
    id: string,
    { cluster, view }: { readonly cluster: ClusterRecord; readonly view: View },
  ): boolean {
    // As long as a rotation lasts, either root will do
    if (cluster.rotation) return false;
    const { sessions, nodeId } = this.#parts;
    const { servedWith } = sessions.of(id)?.connection ?? {};
    const { current, previous } = view.get("node", nodeId)?.certificates ?? {};
    const served = [current, previous].find((each) =>
      each?.fingerprint === servedWith
    );
    return served?.issuerKeyId !== cluster.root.facts?.keyId;
  }
}
