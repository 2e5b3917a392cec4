import { describeError, SwarmdError } from "../base/errors.ts";
import {
  type Change,
  type LogName,
  type Logs,
  MAX_PAGE,
  type Page,
  type Store,
  type Transaction,
  type View,
} from "../cluster/store.ts";
import { type Committed, Overlay } from "./layers.ts";
import { type Hash, linkEntries } from "./links.ts";

/**
 * Most updates that share one commit. With 32 ordinary ones (a node of 3 KB and
 * an audit entry each) SQLite blocks the event loop for 1 to 2 ms, and each
 * bears a thirtieth of the wait for the disk; 64 are hardly cheaper.
 */
export const MAX_BATCH = 32;

/** Where a {@linkcode StagedStore} keeps what it must not lose. */
export interface Backend {
  /**
   * Writes everything durably, or nothing.
   *
   * @throws {SwarmdError} `disk` when it cannot
   */
  commit(changes: readonly Change[]): void | Promise<void>;
  /** Committed entries, see {@linkcode Store.entries}. */
  entries<L extends LogName>(
    log: L,
    page: Page,
  ): readonly Logs[L][] | Promise<readonly Logs[L][]>;
  /** See {@linkcode Store.erase}; absent where nothing is left anyway. */
  erase?(): void | Promise<void>;
  close(): void | Promise<void>;
}

/** How a {@linkcode StagedStore} runs. */
export interface StagedOptions {
  /**
   * Calls back once, soon, but not at once: what waits by then shares a commit.
   */
  readonly defer: (callback: () => void) => void;
  /** Is told what a listener threw. */
  readonly report: (error: unknown) => void;
  /** Links the entries of logs. */
  readonly hash: Hash;
}

interface Watcher {
  readonly listener: (changes: readonly Change[]) => void;
}

/**
 * A store that holds all records in memory and commits in groups: the updates
 * that wait run one after the other on a layer above the committed state, and
 * one write makes that layer durable.
 */
export class StagedStore implements Store {
  readonly #committed: Committed;
  readonly #backend: Backend;
  readonly #options: StagedOptions;
  readonly #watchers = new Set<Watcher>();
  #queue: Update[] = [];
  #running: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #fault: string | undefined;

  /** @param committed what the backend holds; it belongs to the store now */
  constructor(
    committed: Committed,
    backend: Backend,
    options: StagedOptions,
  ) {
    this.#committed = committed;
    this.#backend = backend;
    this.#options = options;
  }

  get fault(): string | undefined {
    return this.#fault;
  }

  view<T>(read: (view: View) => T): T {
    return read(this.#committed);
  }

  update<T>(change: (transaction: Transaction) => T): Promise<T> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#queue.push(pendingUpdate(change, { resolve, reject }));
      this.#running ??= this.#run();
    });
  }

  async entries<L extends LogName>(
    log: L,
    page: Page,
  ): Promise<readonly Logs[L][]> {
    checkPage(page);
    if (this.#closed) throw closedError();
    return await this.#backend.entries(log, page);
  }

  watch(listener: (changes: readonly Change[]) => void): () => void {
    const watcher = { listener };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  async erase(): Promise<void> {
    if (this.#closed) throw closedError();
    await this.#running;
    await this.#backend.erase?.();
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async #finish(): Promise<void> {
    await this.#running;
    await this.#backend.close();
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      await new Promise<void>((resolve) => this.#options.defer(resolve));
      await this.#flush();
    }
    this.#running = undefined;
  }

  async #flush(): Promise<void> {
    const updates = this.#queue.splice(0, MAX_BATCH);
    const batch = new Overlay(this.#committed);
    for (const update of updates) update.run(batch);
    const changes = linkEntries(batch.changes(), {
      committed: this.#committed,
      hash: this.#options.hash,
    });
    try {
      if (changes.length > 0) {
        await this.#backend.commit(changes);
        this.#fault = undefined;
      }
    } catch (error) {
      this.#fault = describeError(error);
      for (const update of updates) update.fail(error);
      return;
    }
    this.#committed.apply(changes);
    if (changes.length > 0) this.#notify(changes);
    for (const update of updates) update.settle();
  }

  #notify(changes: readonly Change[]): void {
    for (const watcher of [...this.#watchers]) {
      if (!this.#watchers.has(watcher)) continue;
      try {
        watcher.listener(changes);
      } catch (error) {
        this.#options.report(error);
      }
    }
  }
}

/** An update that waits; its promise settles by `fail` or `settle`. */
interface Update {
  /** Runs the callback; what it throws leaves no trace in the batch. */
  run(batch: Overlay): void;
  fail(error: unknown): void;
  /**
   * Tells the outcome. A refusal waits for the commit like a success: it may
   * rest on what an earlier update of the same batch wrote.
   */
  settle(): void;
}

interface Settlers<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

function pendingUpdate<T>(
  change: (transaction: Transaction) => T,
  settlers: Settlers<T>,
): Update {
  let settle = () => {};
  return {
    run(batch) {
      try {
        const result = runOn(batch, change);
        settle = () => settlers.resolve(result);
      } catch (error) {
        settle = () => settlers.reject(error);
      }
    },
    fail: (error) => settlers.reject(error),
    settle: () => settle(),
  };
}

function runOn<T>(
  batch: Overlay,
  change: (transaction: Transaction) => T,
): T {
  const transaction = new Overlay(batch);
  try {
    const result = change(transaction);
    if (result instanceof Promise) {
      throw new TypeError("Cannot update the store: the callback is async");
    }
    transaction.mergeInto(batch);
    return result;
  } finally {
    transaction.seal();
  }
}

function checkPage({ after, limit }: Page): void {
  const possible = Number.isSafeInteger(after) && after >= 0 &&
    Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_PAGE;
  if (possible) return;
  throw new RangeError(
    `Cannot read entries after ${after}, at most ${limit}: want a number of at least 0, and 1 to ${MAX_PAGE} entries`,
  );
}

function closedError(): SwarmdError {
  return new SwarmdError(
    "interrupted",
    "Cannot use the store: it is closed",
  );
}
