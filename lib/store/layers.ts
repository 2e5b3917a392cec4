import type {
  Change,
  EntryChange,
  Kind,
  LogName,
  Logs,
  RecordChange,
  Records,
  Transaction,
  Unplaced,
  View,
} from "../cluster/store.ts";
import { freezeJson } from "./codec.ts";

type Tables = { readonly [K in Kind]: Map<string, Records[K]> };
/** What a layer writes; `undefined` is a record that it removes. */
type Writes = { readonly [K in Kind]: Map<string, Records[K] | undefined> };
type Appended = { readonly [L in LogName]: Logs[L][] };

/** The newest entry of each log that has one. */
export type Newest = { readonly [L in LogName]?: Logs[L] };

/** The committed state: all records in memory, and where the logs end. */
export class Committed implements View {
  readonly #tables: Tables = emptyTables();
  readonly #newest: { [L in LogName]?: Logs[L] };
  // Sorting 10,000 ids takes 10 ms, 1 ms when few are new: done when somebody
  // lists after a change of ids, and not before.
  readonly #ids = new Map<Kind, readonly string[]>();

  constructor(newest: Newest = {}) {
    this.#newest = { ...newest };
  }

  get<K extends Kind>(kind: K, id: string): Records[K] | undefined {
    return this.#tables[kind].get(id);
  }

  list<K extends Kind>(kind: K): Iterable<Records[K]> {
    return listOf(this, kind);
  }

  uncommitted(): Iterable<string> {
    return [];
  }

  count(kind: Kind): number {
    return this.#tables[kind].size;
  }

  last(log: LogName): number {
    return this.#newest[log]?.sequence ?? 0;
  }

  /** The newest entry of a log. */
  newest<L extends LogName>(log: L): Logs[L] | undefined {
    return this.#newest[log];
  }

  ids(kind: Kind): readonly string[] {
    const known = this.#ids.get(kind);
    if (known) return known;
    const ids = [...this.#tables[kind].keys()].sort();
    this.#ids.set(kind, ids);
    return ids;
  }

  /** Takes over what is durable. */
  apply(changes: Iterable<Change>): void {
    for (const change of changes) {
      if (isEntry(change)) this.#newest[change.kind] = change.entry;
      else this.#replace(change);
    }
  }

  #replace<K extends Kind>({ kind, id, after }: RecordChange<K>): void {
    const table = this.#tables[kind];
    const before = table.size;
    if (after) table.set(id, after);
    else table.delete(id);
    if (table.size !== before) this.#ids.delete(kind);
  }
}

/**
 * Writes that lie on a state and can be dropped, taken into the layer below,
 * or made durable.
 */
export class Overlay implements Transaction {
  readonly #ground: View;
  readonly #writes: Writes = emptyTables();
  readonly #appended: Appended = { audit: [] };
  readonly #grown: Record<Kind, number> = noGrowth();
  readonly #ids = new Map<Kind, readonly string[]>();
  #sealed = false;

  constructor(ground: View) {
    this.#ground = ground;
  }

  get<K extends Kind>(kind: K, id: string): Records[K] | undefined {
    const writes = this.#writes[kind];
    return writes.has(id) ? writes.get(id) : this.#ground.get(kind, id);
  }

  list<K extends Kind>(kind: K): Iterable<Records[K]> {
    if (this.#writes[kind].size === 0) return this.#ground.list(kind);
    return listOf(this, kind);
  }

  uncommitted(kind: Kind): Iterable<string> {
    const below = this.#ground.uncommitted(kind);
    return new Set([...below, ...this.#writes[kind].keys()]);
  }

  count(kind: Kind): number {
    return this.#ground.count(kind) + this.#grown[kind];
  }

  last(log: LogName): number {
    return this.#ground.last(log) + this.#appended[log].length;
  }

  ids(kind: Kind): readonly string[] {
    const known = this.#ids.get(kind);
    if (known) return known;
    const ids = this.#mergeIds(kind);
    this.#ids.set(kind, ids);
    return ids;
  }

  put<K extends Kind>(kind: K, id: string, record: Records[K]): void {
    freezeJson(record, kind);
    this.#write(kind, id, record);
  }

  remove(kind: Kind, id: string): void {
    if (this.get(kind, id)) this.#write(kind, id, undefined);
  }

  append<L extends LogName>(log: L, entry: Unplaced<Logs[L]>): number {
    this.#refuseWhenSealed();
    const sequence = this.last(log) + 1;
    const numbered = { sequence, ...entry } as Logs[L];
    freezeJson(numbered, log);
    this.#appended[log].push(numbered);
    return sequence;
  }

  /** Ends the transaction: later writes are refused. */
  seal(): void {
    this.#sealed = true;
  }

  /** Gives everything to the layer below, which this one was made on. */
  mergeInto(ground: Overlay): void {
    for (const kind of kindsOf(this.#writes)) this.#mergeKind(kind, ground);
    for (const log of logsOf(this.#appended)) {
      ground.#appended[log].push(...this.#appended[log]);
    }
  }

  /** What is different from the layer below. */
  changes(): readonly Change[] {
    const records = kindsOf(this.#writes).flatMap((k) => this.#changesOf(k));
    const entries = logsOf(this.#appended).flatMap((log) =>
      this.#appended[log].map((entry): EntryChange => ({ kind: log, entry }))
    );
    return [...records, ...entries];
  }

  #write<K extends Kind>(kind: K, id: string, record: Records[K] | undefined) {
    this.#refuseWhenSealed();
    const before = this.get(kind, id) ? 1 : 0;
    const after = record ? 1 : 0;
    this.#writes[kind].set(id, record);
    this.#grown[kind] += after - before;
    if (before !== after) this.#ids.delete(kind);
  }

  #mergeKind<K extends Kind>(kind: K, ground: Overlay): void {
    for (const [id, record] of this.#writes[kind]) {
      ground.#write(kind, id, record);
    }
  }

  #changesOf<K extends Kind>(kind: K): RecordChange[] {
    const changes: RecordChange[] = [];
    for (const [id, after] of this.#writes[kind]) {
      const before = this.#ground.get(kind, id);
      if (before === after) continue;
      changes.push({ kind, id, before, after } as RecordChange);
    }
    return changes;
  }

  #mergeIds(kind: Kind): readonly string[] {
    const below = this.#ground.ids(kind);
    const writes = this.#writes[kind];
    const added = [...writes.keys()].filter((id) =>
      writes.get(id) && !this.#ground.get(kind, id)
    );
    const removed = [...writes.values()].includes(undefined);
    if (added.length === 0 && !removed) return below;
    const kept = below.filter((id) => this.get(kind, id));
    return [...kept, ...added].sort();
  }

  #refuseWhenSealed(): void {
    if (!this.#sealed) return;
    throw new TypeError("Cannot write to the transaction: it is over");
  }
}

/** Whether a change is an entry of a log. */
export function isEntry(change: Change): change is EntryChange {
  return "entry" in change;
}

/** At once: a generator takes twice as long. */
function listOf<K extends Kind>(view: View, kind: K): Records[K][] {
  const records: Records[K][] = [];
  for (const id of view.ids(kind)) {
    const record = view.get(kind, id);
    if (record) records.push(record);
  }
  return records;
}

/** All kinds of records there are. */
export const KINDS = Object.keys(emptyTables()) as readonly Kind[];

function emptyTables(): Tables {
  return {
    cluster: new Map(),
    node: new Map(),
    redemption: new Map(),
    denied: new Map(),
    removed: new Map(),
    token: new Map(),
    applicant: new Map(),
    head: new Map(),
  };
}

function noGrowth(): Record<Kind, number> {
  const counts = KINDS.map((kind) => [kind, 0] as const);
  return Object.fromEntries(counts) as Record<Kind, number>;
}

function kindsOf(writes: Writes): Kind[] {
  return Object.keys(writes) as Kind[];
}

function logsOf(appended: Appended): LogName[] {
  return Object.keys(appended) as LogName[];
}
