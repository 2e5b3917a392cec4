import type { NodeRecord } from "./node.ts";
import type { Change, Store } from "./store.ts";

/**
 * Nodes with a replaced certificate that is still accepted, and until when:
 * kept by the store's watch, so that nobody has to look through all nodes.
 */
export class Overlaps {
  readonly #ends = new Map<string, number>();
  readonly #unwatch: () => void;

  constructor(store: Store) {
    store.view((view) => {
      for (const node of view.list("node")) this.#note(node);
    });
    this.#unwatch = store.watch((changes) => this.#apply(changes));
  }

  close(): void {
    this.#unwatch();
  }

  /** Ids of the nodes whose overlap is over at a moment of the wall clock. */
  over(now: number): string[] {
    const ids: string[] = [];
    for (const [id, until] of this.#ends) if (until <= now) ids.push(id);
    return ids;
  }

  #apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind !== "node") continue;
      if (change.after) this.#note(change.after);
      else this.#ends.delete(change.id);
    }
  }

  #note({ id, certificates: { previous } }: NodeRecord): void {
    if (previous) this.#ends.set(id, previous.until);
    else this.#ends.delete(id);
  }
}
