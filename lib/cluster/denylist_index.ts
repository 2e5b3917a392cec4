import { MINUTE } from "../base/time.ts";
import type { DeniedRecord } from "./denied.ts";
import type { Change, Store } from "./store.ts";

/** What ends within one of these is forgotten together, in milliseconds. */
export const END_STEP = 10 * MINUTE;

interface Shelf {
  version: number;
  readonly records: Map<string, DeniedRecord>;
}

/**
 * The denylist by issuer and by end, kept by the store's watch. To list the
 * records in the store sorts their ids, which blocks for 0.1 s at 50,000; to
 * ask here takes less than a millisecond. It shares the records with the store,
 * and adds 100 bytes to each.
 */
export class DenylistIndex {
  readonly #shelves = new Map<string, Shelf>();
  /** By the step in which the certificates end, counted from 1970. */
  readonly #ends = new Map<number, Set<DeniedRecord>>();
  readonly #unwatch: () => void;
  #changes = 0;

  constructor(store: Store) {
    store.view((view) => {
      for (const record of view.list("denied")) this.#add(record);
    });
    this.#unwatch = store.watch((changes) => this.#apply(changes));
  }

  close(): void {
    this.#unwatch();
  }

  /** What is denied of an issuer now, in no order. */
  recordsOf(issuerKeyId: string): DeniedRecord[] {
    return [...this.#shelves.get(issuerKeyId)?.records.values() ?? []];
  }

  /** Everything that is denied, in no order. */
  *all(): Generator<DeniedRecord> {
    for (const { records } of this.#shelves.values()) yield* records.values();
  }

  /** Another number after each change of that; 0 while there is nothing. */
  versionOf(issuerKeyId: string): number {
    return this.#shelves.get(issuerKeyId)?.version ?? 0;
  }

  /**
   * The entries whose certificates ended in a step that is over, at a moment of
   * the wall clock. What is removed meanwhile is left out.
   */
  *ended(now: number): Generator<DeniedRecord> {
    const present = stepOf(now);
    for (const [step, records] of this.#ends) {
      if (step < present) yield* records;
    }
  }

  #apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind !== "denied") continue;
      if (change.after) this.#add(change.after);
      else if (change.before) this.#drop(change.before);
    }
  }

  #add(record: DeniedRecord): void {
    const { issuerKeyId, serial, until } = record;
    this.#drop(record);
    const shelf = this.#shelf(issuerKeyId);
    shelf.records.set(serial, record);
    shelf.version = ++this.#changes;
    this.#endingWith(until).add(record);
  }

  #shelf(issuerKeyId: string): Shelf {
    const known = this.#shelves.get(issuerKeyId);
    if (known) return known;
    const shelf = { version: 0, records: new Map() };
    this.#shelves.set(issuerKeyId, shelf);
    return shelf;
  }

  #endingWith(until: number): Set<DeniedRecord> {
    const step = stepOf(until);
    const known = this.#ends.get(step);
    if (known) return known;
    const records = new Set<DeniedRecord>();
    this.#ends.set(step, records);
    return records;
  }

  #drop({ issuerKeyId, serial }: DeniedRecord): void {
    const shelf = this.#shelves.get(issuerKeyId);
    const known = shelf?.records.get(serial);
    if (!shelf || !known) return;
    shelf.records.delete(serial);
    shelf.version = ++this.#changes;
    if (shelf.records.size === 0) this.#shelves.delete(issuerKeyId);
    const step = stepOf(known.until);
    const together = this.#ends.get(step);
    together?.delete(known);
    if (together?.size === 0) this.#ends.delete(step);
  }
}

function stepOf(wallMs: number): number {
  return Math.floor(wallMs / END_STEP);
}
