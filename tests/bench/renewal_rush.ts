import type { Store } from "../../lib/cluster/store.ts";
import type { Sessions } from "../../lib/manager/sessions.ts";

/**
 * Has every connected worker renew once, with so many at a time. A renewal
 * counts from the push that asks for it until the new certificate was presented
 * on a new connection and its promotion is on the disk.
 */
export class RenewalRush {
  readonly #store: Store;
  readonly #sessions: Sessions;
  readonly #startedAt = new Map<string, number>();
  readonly #tookMs: number[] = [];
  #waiting: string[] = [];

  constructor(store: Store, sessions: Sessions) {
    this.#store = store;
    this.#sessions = sessions;
  }

  /** @returns how many, and how long the half and all but 1 % took at most */
  async run(width: number): Promise<Readonly<Record<string, number>>> {
    this.#waiting = [...this.#sessions].map(({ nodeId }) => nodeId);
    const count = this.#waiting.length;
    const done = Promise.withResolvers<void>();
    const unwatch = this.#store.watch((changes) => {
      for (const change of changes) {
        if (change.kind !== "audit") continue;
        const { action, node } = change.entry;
        if (action === "promoted" && node !== undefined) this.#renewed(node);
      }
      if (this.#tookMs.length === count) done.resolve();
    });
    const began = performance.now();
    for (let i = 0; i < width; i++) this.#next();
    await done.promise;
    unwatch();
    const sorted = this.#tookMs.toSorted((a, b) => a - b);
    const at = (part: number) => sorted[Math.floor(part * (count - 1))] ?? 0;
    const wallMs = performance.now() - began;
    return { count, wallMs, medianMs: at(0.5), p99Ms: at(0.99) };
  }

  #renewed(node: string): void {
    const startedAt = this.#startedAt.get(node);
    if (startedAt === undefined) return;
    this.#startedAt.delete(node);
    this.#tookMs.push(performance.now() - startedAt);
    this.#next();
  }

  #next(): void {
    const node = this.#waiting.pop();
    if (node === undefined) return;
    this.#startedAt.set(node, performance.now());
    this.#sessions.push(node, "node.renew-now", { reason: "bench" });
  }
}
