import type { DatabaseSync } from "node:sqlite";
import { describeError, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Store } from "../cluster/store.ts";
import type { Committed } from "./layers.ts";
import { migrate } from "./migrations.ts";
import { SqliteBackend } from "./sqlite_backend.ts";
import { storeError } from "./sqlite_errors.ts";
import { StagedStore } from "./staged.ts";

/** How long opening waits for a program that is just letting go. */
const BUSY_MS = 200;

/** How {@linkcode openSqliteStore} opens. */
export interface SqliteOptions {
  /** Make the file when there is none. Default: true. */
  readonly create?: boolean;
  /** Is told what a listener threw; without it, that is an uncaught error. */
  readonly logger?: Logger;
}

/**
 * Opens, or makes, the embedded store: one SQLite file that belongs to this
 * process alone while it is open, readable by its owner only. 10,000 nodes are
 * open in about 0.3 s.
 *
 * @throws {SwarmdError} `newer-store`, `damaged-state`, `locked-directory` when
 * another program has it open, `not-initialised` when there is no file and none
 * is to be made, `disk`
 */
export async function openSqliteStore(
  path: string,
  options: SqliteOptions = {},
): Promise<Store> {
  const { create = true, logger } = options;
  try {
    await makePrivate(path, create);
    // Not by static imports: they would cost every worker from the bundle.
    const [{ DatabaseSync }, { setImmediate }, { createHash }] = await Promise
      .all([
        import("node:sqlite"),
        import("node:timers"),
        import("node:crypto"),
      ]);
    const { committed, backend } = open(
      path,
      new DatabaseSync(path, { timeout: BUSY_MS }),
    );
    return new StagedStore(committed, backend, {
      // A macrotask later: everything that one turn of the event loop brings
      // in (64 renewals, say) shares a commit.
      defer: (callback) => setImmediate(callback),
      report: (error) => report(error, logger),
      hash: (data) =>
        new Uint8Array(createHash("sha256").update(data).digest()),
    });
  } catch (error) {
    throw storeError(error, { attempt: "open", path });
  }
}

function open(
  path: string,
  database: DatabaseSync,
): { committed: Committed; backend: SqliteBackend } {
  try {
    configure(database);
    migrate(database, { path });
    enterWal(database);
    const backend = new SqliteBackend(database, path);
    return { committed: backend.load(), backend };
  } catch (error) {
    database.close();
    throw error;
  }
}

// SQLite gives its -wal and -journal files the mode of the database. A -wal
// that was left behind keeps the mode that it has.
async function makePrivate(path: string, create: boolean): Promise<void> {
  const file = await openFile(path, create);
  file.close();
  for (const name of [path, `${path}-wal`]) {
    await ifThere(Deno.chmod(name, 0o600));
  }
}

async function openFile(path: string, create: boolean): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, create, mode: 0o600 });
  } catch (cause) {
    if (create || !(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new SwarmdError(
      "not-initialised",
      `Cannot open the store "${path}": there is no such file`,
      { verdict: "stop", data: { path }, cause },
    );
  }
}

async function ifThere(change: Promise<void>): Promise<void> {
  try {
    await change;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

// EXCLUSIVE: all records are held in memory, so nobody else may write; it also
// does away with the shared-memory file. FULL: a commit survives a power cut.
// secure_delete: an overwritten secret is gone from the file.
function configure(database: DatabaseSync): void {
  set(database, "locking_mode = EXCLUSIVE");
  set(database, "synchronous = FULL");
  set(database, "secure_delete = ON");
}

// After the version was checked: a file that we refuse stays as it is. A
// checkpoint every 250 pages blocks for 3 ms at most, every 1,000 for 5 ms.
function enterWal(database: DatabaseSync): void {
  set(database, "journal_mode = WAL");
  set(database, "wal_autocheckpoint = 250");
}

// Not by `exec`, whose errors come without the code that tells a locked or
// damaged file from a failing disk (Deno 2.9.6).
function set(database: DatabaseSync, pragma: string): void {
  database.prepare(`PRAGMA ${pragma}`).all();
}

function report(error: unknown, logger: Logger | undefined): void {
  if (!logger) return reportError(error);
  logger.error("Store listener failed", { error: describeError(error) });
}
