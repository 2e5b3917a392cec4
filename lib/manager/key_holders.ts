import type { NodeRecord } from "../cluster/node.ts";
import type { RemovedNode } from "../cluster/removed_node.ts";
import type { Change, Store } from "../cluster/store.ts";

/**
 * Which node holds a key, or held it when it was removed, by SPKI hash: an
 * index over the records, kept by the store's watch. One key never has two
 * ids.
 */
export class KeyHolders {
  readonly #holders = new Map<string, string>();
  readonly #unwatch: () => void;

  constructor(store: Store) {
    store.view((view) => {
      for (const node of view.list("removed")) this.#remember(node);
      for (const node of view.list("node")) this.#add(node);
    });
    this.#unwatch = store.watch((changes) => this.#apply(changes));
  }

  close(): void {
    this.#unwatch();
  }

  holderOf(spki: string): string | undefined {
    return this.#holders.get(spki);
  }

  #apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === "removed") {
        if (change.before) this.#forget(change.before);
        if (change.after) this.#remember(change.after);
      }
      if (change.kind !== "node") continue;
      if (change.before) this.#drop(change.before);
      if (change.after) this.#add(change.after);
    }
  }

  #remember({ id, spkis }: RemovedNode): void {
    for (const spki of spkis) this.#holders.set(spki, id);
  }

  #forget({ spkis }: RemovedNode): void {
    for (const spki of spkis) this.#holders.delete(spki);
  }

  #add(node: NodeRecord): void {
    for (const spki of keysOf(node)) this.#holders.set(spki, node.id);
  }

  #drop(node: NodeRecord): void {
    for (const spki of keysOf(node)) this.#holders.delete(spki);
  }
}

function keysOf(node: NodeRecord): string[] {
  const { current, pending, previous } = node.certificates;
  return [current, pending, previous].flatMap((c) => c ? [c.spki] : []);
}
