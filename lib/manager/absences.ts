import { chunks } from "../base/slices.ts";
import { type Clock, MINUTE } from "../base/time.ts";
import { WRITE_SLICE } from "../cluster/denylist.ts";
import type { Store, View } from "../cluster/store.ts";
import type { Sessions } from "./sessions.ts";

/** How long a node is gone before that is written down, in milliseconds. */
const ABSENT_MS = MINUTE;
/**
 * Most records that one round writes of those who went, and of those who came:
 * a site that is cut off must not hold up everybody else.
 */
const MAX_WRITES = 1_000;

/** What the record of absences works with. */
export interface AbsenceParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly sessions: Pick<Sessions, "absent">;
}

/** Since when a node is gone; `undefined`: it is here. */
type Since = readonly [nodeId: string, absentSince: number | undefined];

/**
 * Writes down since when nodes are gone, so that a manager that is started
 * anew still knows. Of a node that comes and goes all the time nothing is
 * written; of one that is here neither, so that a fleet costs no writes.
 */
export class Absences {
  readonly #parts: AbsenceParts;
  /** Ids of nodes that came: some may be written down as gone. */
  readonly #came = new Set<string>();

  constructor(parts: AbsenceParts) {
    this.#parts = parts;
  }

  /** A node's session opens, or goes on. */
  came(nodeId: string): void {
    this.#came.add(nodeId);
  }

  /** Writes what has changed; what is too much, the next time. */
  async round(): Promise<void> {
    const { store } = this.#parts;
    const came = [...this.#came].slice(0, MAX_WRITES);
    const { gone, back } = store.view((view) => ({
      gone: this.#gone(view).slice(0, MAX_WRITES),
      back: came.filter((id) =>
        view.get("node", id)?.absentSince !== undefined
      ),
    }));
    const since = [...back.map((id) => [id, undefined] as const), ...gone];
    for (const chunk of chunks(since, WRITE_SLICE)) await this.#write(chunk);
    for (const id of came) this.#came.delete(id);
  }

  async #write(since: readonly Since[]): Promise<void> {
    await this.#parts.store.update((tx) => {
      for (const [id, absentSince] of since) {
        const before = tx.get("node", id);
        if (!before) continue;
        const { absentSince: _, ...here } = before;
        const gone = absentSince !== undefined && { absentSince };
        tx.put("node", id, { ...here, ...gone });
      }
    });
  }

  #gone(view: View): (readonly [nodeId: string, lastSeen: number])[] {
    const { sessions, clock } = this.#parts;
    const now = clock.now();
    return [...sessions.absent].filter(([id, lastSeen]) => {
      if (now - lastSeen < ABSENT_MS) return false;
      const node = view.get("node", id);
      return node !== undefined && node.absentSince !== lastSeen;
    });
  }
}
