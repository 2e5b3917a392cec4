import { chunks } from "../base/slices.ts";
import { type Clock, MINUTE } from "../base/time.ts";
import { WRITE_SLICE } from "../cluster/denylist.ts";
import type { NodeRecord } from "../cluster/node.ts";
import type { Store } from "../cluster/store.ts";

/** Shortest time between two writes for one node, in milliseconds. */
const QUIET_MS = MINUTE;

/** What a node said of itself, and where from. */
export type Described = Required<Pick<NodeRecord, "description" | "address">>;

/**
 * Writes down what nodes say of themselves: only what changed, and for one
 * node once a minute. A node may say as often as it likes that it is another.
 */
export class Descriptions {
  readonly #store: Store;
  readonly #clock: Clock;
  /** When each was written, monotonic, oldest first. */
  readonly #written = new Map<string, number>();
  /** What is to be written when the minute is over. */
  readonly #waiting = new Map<string, Described>();

  constructor(
    { store, clock }: { readonly store: Store; readonly clock: Clock },
  ) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Writes it, or keeps it for a later `round()`. */
  async describe(nodeId: string, told: Described): Promise<void> {
    this.#waiting.delete(nodeId);
    if (!this.#isNews(nodeId, told)) return;
    this.#forget();
    if (this.#written.has(nodeId)) this.#waiting.set(nodeId, told);
    else await this.#write([[nodeId, told]]);
  }

  /** Writes what has waited for long enough. */
  async round(): Promise<void> {
    if (this.#waiting.size === 0) return;
    this.#forget();
    const due = [...this.#waiting].filter(([id]) => !this.#written.has(id));
    if (due.length === 0) return;
    for (const [id] of due) this.#waiting.delete(id);
    for (const chunk of chunks(due, WRITE_SLICE)) await this.#write(chunk);
  }

  #isNews(nodeId: string, { description, address }: Described): boolean {
    const before = this.#store.view((view) => view.get("node", nodeId));
    return before?.address !== address ||
      JSON.stringify(before.description) !== JSON.stringify(description);
  }

  /** When a minute is over, another write is allowed. */
  #forget(): void {
    const now = this.#clock.monotonic();
    for (const [old, at] of this.#written) {
      if (now - at < QUIET_MS) break;
      this.#written.delete(old);
    }
  }

  async #write(due: readonly (readonly [string, Described])[]): Promise<void> {
    for (const [id] of due) this.#written.set(id, this.#clock.monotonic());
    await this.#store.update((tx) => {
      for (const [id, told] of due) {
        const node = tx.get("node", id);
        if (node) tx.put("node", id, { ...node, ...told });
      }
    });
  }
}
