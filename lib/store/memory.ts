import type { Change, LogName, Logs, Page, Store } from "../cluster/store.ts";
import { Committed, isEntry } from "./layers.ts";
import { type Backend, StagedStore } from "./staged.ts";

/**
 * The reference engine: everything in memory, gone when the process ends. It
 * never leaves the microtask queue, so that a simulation on a fake clock stays
 * repeatable.
 */
export function openMemoryStore(): Store {
  return new StagedStore(new Committed(), new MemoryBackend(), {
    defer: queueMicrotask,
    report: reportError,
  });
}

class MemoryBackend implements Backend {
  readonly #logs: { readonly [L in LogName]: Logs[L][] } = { audit: [] };

  commit(changes: readonly Change[]): void {
    for (const change of changes) {
      if (isEntry(change)) this.#logs[change.kind].push(change.entry);
    }
  }

  entries<L extends LogName>(log: L, page: Page): readonly Logs[L][] {
    return this.#logs[log].slice(page.after, page.after + page.limit);
  }

  close(): void {}
}
