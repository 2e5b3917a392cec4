import { SwarmdError } from "../../lib/base/errors.ts";
import type { AuditRecord } from "../../lib/cluster/audit.ts";
import type { Change, Store } from "../../lib/cluster/store.ts";
import { Committed, isEntry } from "../../lib/store/layers.ts";
import { type Backend, StagedStore } from "../../lib/store/staged.ts";
import { sha256 } from "./sha256.ts";

/**
 * The disk under a store, in memory: it outlives the stores that are opened on
 * it, fails and stalls when told, and counts commits.
 */
export class StoreDisk {
  /** Commits that succeeded. */
  commits = 0;
  /** While set, every commit fails with `disk`. */
  full = false;
  /** Called before each commit: it may take time, throw, or never return. */
  before: () => void | Promise<void> = () => {};
  /** Called after each commit, with what it changed; likewise. */
  after: (changes: readonly Change[]) => void | Promise<void> = () => {};
  /** What listeners threw. */
  readonly reported: unknown[] = [];
  readonly #history: Change[] = [];
  readonly #audit: AuditRecord[] = [];
  #owner = 0;
  #gate: Promise<void> | undefined;

  /** Opens what is committed. A store opened before has crashed: it cannot write any more. */
  open(): Store {
    const committed = new Committed();
    committed.apply(this.#history);
    return new StagedStore(committed, this.#backend(++this.#owner), {
      defer: queueMicrotask,
      report: (error) => this.reported.push(error),
      hash: sha256,
    });
  }

  /** Makes commits wait until the result is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }

  #backend(owner: number): Backend {
    return {
      commit: async (changes) => {
        await this.#gate;
        await this.before();
        if (this.full || owner !== this.#owner) throw diskError();
        this.#history.push(...changes);
        this.#audit.push(
          ...changes.filter(isEntry).map(({ entry }) => entry),
        );
        this.commits++;
        await this.after(changes);
      },
      entries: (_log, { after, limit }) =>
        this.#audit.slice(after, after + limit),
      close() {},
    };
  }
}

function diskError(): SwarmdError {
  return new SwarmdError("disk", "Cannot write to the store: the fake is full");
}
