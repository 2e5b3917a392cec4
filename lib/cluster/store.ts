import type { AuditRecord } from "./audit.ts";
import type { SignedHead } from "./audit_head.ts";
import type { ClusterRecord } from "./cluster.ts";
import type { DeniedRecord } from "./denied.ts";
import type { NodeRecord } from "./node.ts";
import type { Applicant } from "./applicant.ts";
import type { CreatedToken } from "./created_token.ts";
import type { RedemptionRecord } from "./redemption.ts";
import type { RemovedNode } from "./removed_node.ts";

/** Every kind of record, and what a record of it looks like. */
export interface Records {
  /** One, with the id `cluster`. */
  cluster: ClusterRecord;
  /** By node id. */
  node: NodeRecord;
  /** By SPKI hash: which key redeemed which token, and became which node. */
  redemption: RedemptionRecord;
  /** By `<issuer key id>.<serial>`. */
  denied: DeniedRecord;
  /** By node id: who may never come back. */
  removed: RemovedNode;
  /** By token id: tokens that an operator made beside the standing ones. */
  token: CreatedToken;
  /** By SPKI hash: who waits for an operator's word. */
  applicant: Applicant;
  /** By name of the log: the newest head of it that was signed. */
  head: SignedHead;
}

/** The name of a kind of record. */
export type Kind = keyof Records;

/**
 * Every log, and what an entry of it looks like. Entries are numbered from 1
 * without gaps and never change, and each carries the hash of the one before
 * (audit_chain.ts). A log grows for ever, so that it is not part of what a
 * {@linkcode View} sees; {@linkcode Store.entries} reads it.
 */
export interface Logs {
  audit: AuditRecord;
}

/** The name of a log. */
export type LogName = keyof Logs;

/** An entry that has no place in its log yet. */
export type Unplaced<T> = Omit<T, "sequence" | "previous">;

/** A record that was written, or removed, by a commit. */
export type RecordChange<K extends Kind = Kind> = {
  [P in K]: {
    readonly kind: P;
    readonly id: string;
    readonly before: Records[P] | undefined;
    readonly after: Records[P] | undefined;
  };
}[K];

/** An entry that was appended to a log. */
export type EntryChange<L extends LogName = LogName> = {
  [P in L]: { readonly kind: P; readonly entry: Logs[P] };
}[L];

/** What a commit changed. */
export type Change = RecordChange | EntryChange;

/** A consistent look at the records. Valid only inside the callback. */
export interface View {
  get<K extends Kind>(kind: K, id: string): Records[K] | undefined;
  /** In order of id, by UTF-16 code units. Do not write while iterating. */
  list<K extends Kind>(kind: K): Iterable<Records[K]>;
  /** All ids, in the same order. The array never changes. */
  ids(kind: Kind): readonly string[];
  count(kind: Kind): number;
  /**
   * Ids of the records that may differ from the committed ones, in no order:
   * what indexes that are kept by `watch` do not know of yet. None outside of a
   * transaction.
   */
  uncommitted(kind: Kind): Iterable<string>;
  /** Number of the newest entry of a log, 0 when it is empty. */
  last(log: LogName): number;
}

/** A transaction. Its own writes are visible to its reads. */
export interface Transaction extends View {
  /** @throws {TypeError} when the record would not survive as JSON */
  put<K extends Kind>(kind: K, id: string, record: Records[K]): void;
  /** Removes a record; nothing happens when there is none. */
  remove(kind: Kind, id: string): void;
  /**
   * Appends an entry to a log and returns its number. Its link to the entry
   * before is set when the transaction is committed.
   *
   * @throws {TypeError} when the entry would not survive as JSON
   */
  append<L extends LogName>(log: L, entry: Unplaced<Logs[L]>): number;
}

/** Most entries that {@linkcode Store.entries} returns at once. */
export const MAX_PAGE = 1_000;

/** A part of a log. */
export interface Page {
  /** Entries with a higher number than this; 0 for the first ones. */
  readonly after: number;
  /** At most so many: 1 to {@linkcode MAX_PAGE}. */
  readonly limit: number;
}

/**
 * Where the cluster's state lives. This is the contract that every engine is
 * tested against.
 *
 * - `view` sees committed state only.
 * - `update` runs its callback inside one transaction: all of it happens or,
 *   when the callback throws, none. The callback must be synchronous and free
 *   of side effects: an engine may run it again. The promise settles only
 *   after the change is durable; until then no `view` sees it. A failure to
 *   write rejects with `disk` and leaves the state as it was; only a crash
 *   right after it may still bring the whole change to light.
 * - Transactions are serial. Those that wait together may share one commit;
 *   one that throws does not hurt the others, and is told so only when what it
 *   had read is durable.
 * - Records and entries are plain JSON values: what is put is frozen or copied,
 *   what is read must not be changed.
 * - `watch` calls back after each commit, in commit order, with the difference
 *   that it made, before the promises of its updates settle. A callback that
 *   throws is the caller's bug: it is reported and hurts nobody else.
 */
export interface Store {
  view<T>(read: (view: View) => T): T;
  /**
   * @throws {SwarmdError} `disk` when it cannot be written, `interrupted` when
   * the store is closed
   */
  update<T>(change: (transaction: Transaction) => T): Promise<T>;
  /** Why the last commit failed; `undefined` when it did not. */
  readonly fault: string | undefined;
  /**
   * Committed entries of a log, oldest first.
   *
   * @throws {RangeError} when the page is not a possible one
   * @throws {SwarmdError} `damaged-state` or `disk` when it cannot be read,
   * `interrupted` when the store is closed
   */
  entries<L extends LogName>(log: L, page: Page): Promise<readonly Logs[L][]>;
  watch(listener: (changes: readonly Change[]) => void): () => void;
  /**
   * When it resolves, nothing that was overwritten or removed before the call
   * is left in the engine's files.
   *
   * @throws {SwarmdError} `disk`, or `interrupted` when the store is closed
   */
  erase(): Promise<void>;
  /** Waits for the updates under way, then releases the engine. */
  close(): Promise<void>;
}

/** Id of the one cluster record. */
export const CLUSTER = "cluster";
