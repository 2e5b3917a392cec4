import type { DatabaseSync, StatementSync } from "node:sqlite";
import { describeError, type SwarmdError } from "../base/errors.ts";
import type {
  Change,
  EntryChange,
  Kind,
  LogName,
  Logs,
  Page,
  RecordChange,
} from "../cluster/store.ts";
import { decodeRecord, encodeRecord } from "./codec.ts";
import { Committed, isEntry, KINDS } from "./layers.ts";
import { damaged, storeError, unwritten } from "./sqlite_errors.ts";
import type { Backend } from "./staged.ts";

interface TableStatements {
  readonly put: StatementSync;
  readonly remove: StatementSync;
}

interface LogStatements {
  readonly append: StatementSync;
  readonly page: StatementSync;
}

/** The tables of an open, migrated database. */
export class SqliteBackend implements Backend {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #tables: Readonly<Record<Kind, TableStatements>>;
  readonly #logs: Readonly<Record<LogName, LogStatements>>;

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#tables = {
      cluster: tableStatements(database, "cluster"),
      node: tableStatements(database, "node"),
      redemption: tableStatements(database, "redemption"),
      denied: tableStatements(database, "denied"),
      removed: tableStatements(database, "removed"),
      token: tableStatements(database, "token"),
      applicant: tableStatements(database, "applicant"),
      head: tableStatements(database, "head"),
    };
    this.#logs = { audit: logStatements(database, "audit") };
  }

  /**
   * Reads all records; logs stay on disk.
   *
   * @throws {SwarmdError} `damaged-state` naming the table or the row
   */
  load(): Committed {
    const audit = this.#newest("audit");
    const committed = new Committed({ ...(audit && { audit }) });
    for (const kind of KINDS) committed.apply(this.#records(kind));
    return committed;
  }

  commit(changes: readonly Change[]): void {
    try {
      this.#begin.run();
      for (const change of changes) this.#write(change);
      this.#commit.run();
    } catch (error) {
      this.#rollBack();
      throw unwritten(this.#path, error);
    }
  }

  entries<L extends LogName>(log: L, page: Page): readonly Logs[L][] {
    try {
      const rows = this.#logs[log].page.all(page.after, page.limit);
      return rows.map((row) => this.#decode(row, log) as Logs[L]);
    } catch (error) {
      throw storeError(error, { attempt: "read", path: this.#path });
    }
  }

  /** Rows are overwritten at once (secure_delete), the log of writes is not. */
  erase(): void {
    const sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    try {
      const { busy } = this.#database.prepare(sql).get() ?? {};
      if (busy !== 0) throw new Error(`the checkpoint says busy = ${busy}`);
    } catch (error) {
      throw unwritten(this.#path, error);
    }
  }

  close(): void {
    this.#database.close();
  }

  #write(change: Change): void {
    if (isEntry(change)) this.#append(change);
    else this.#replace(change);
  }

  #append({ kind, entry }: EntryChange): void {
    this.#logs[kind].append.run(entry.sequence, encodeRecord(entry));
  }

  #replace({ kind, id, after }: RecordChange): void {
    const { put, remove } = this.#tables[kind];
    if (after) put.run(id, encodeRecord(after));
    else remove.run(id);
  }

  // A full disk or an I/O error may have rolled back by itself.
  #rollBack(): void {
    if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
  }

  *#records(kind: Kind): Generator<RecordChange> {
    this.#check(kind);
    const rows = this.#database.prepare(`SELECT id, value FROM ${kind}`);
    for (const row of rows.iterate()) {
      const after = this.#decode(row, kind);
      yield { kind, id: row.id, before: undefined, after } as RecordChange;
    }
  }

  // Without the logs, which have no bound; 10,000 nodes take 30 ms.
  #check(kind: Kind): void {
    const rows = this.#database.prepare(`PRAGMA quick_check(${kind})`).all();
    const first = String(rows[0]?.quick_check);
    if (first !== "ok") {
      throw this.#damaged(`table ${kind} is damaged, ${first}`);
    }
  }

  /** What the next entry is numbered and linked by. */
  #newest<L extends LogName>(log: L): Logs[L] | undefined {
    const sql =
      `SELECT sequence, value FROM ${log} ORDER BY sequence DESC LIMIT 1`;
    const row = this.#database.prepare(sql).get();
    if (!row) return undefined;
    const entry = this.#decode(row, log) as Logs[L];
    if (entry.sequence === row.sequence) return entry;
    throw this.#damaged(
      `${log} "${row.sequence}" is damaged, it says that it is ${entry.sequence}`,
    );
  }

  #decode(row: Record<string, unknown>, table: Kind | LogName): object {
    try {
      return decodeRecord(row.value);
    } catch (error) {
      throw this.#damaged(
        `${table} "${row.id ?? row.sequence}" is damaged, ${
          describeError(error)
        }`,
      );
    }
  }

  #damaged(what: string): SwarmdError {
    return damaged(this.#path, what);
  }
}

function tableStatements(database: DatabaseSync, kind: Kind): TableStatements {
  return {
    put: database.prepare(
      `INSERT INTO ${kind} (id, value) VALUES (?, ?)
       ON CONFLICT (id) DO UPDATE SET value = excluded.value`,
    ),
    remove: database.prepare(`DELETE FROM ${kind} WHERE id = ?`),
  };
}

function logStatements(database: DatabaseSync, log: LogName): LogStatements {
  return {
    append: database.prepare(
      `INSERT INTO ${log} (sequence, value) VALUES (?, ?)`,
    ),
    page: database.prepare(
      `SELECT sequence, value FROM ${log} WHERE sequence > ?
       ORDER BY sequence LIMIT ?`,
    ),
  };
}
