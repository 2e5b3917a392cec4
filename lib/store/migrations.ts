import type { DatabaseSync } from "node:sqlite";
import { SwarmdError } from "../base/errors.ts";

/** "Swrm": tells our files from other SQLite databases. */
const APPLICATION_ID = 0x5377726d;

const FIRST_MANAGER = `SELECT id FROM node
   WHERE json_valid(value) AND json_extract(value, '$.role') = 'manager'
   ORDER BY json_extract(value, '$.createdAt'), rowid LIMIT 1`;

/**
 * What brings a store from each version to the next; the first makes it. A
 * step that was released is never changed.
 *
 * One table for each kind, because the secrets of the cluster's one record then
 * never share a page with rows that come and go: SQLite overwrites a row that
 * is deleted, and a lone row is never copied to another page before. Ordinary
 * rowid tables, because WITHOUT ROWID puts rows of our size (a node: 3 KB) into
 * overflow pages: 64 changed nodes then take 4.8 ms and not 2.3 ms.
 */
export const MIGRATIONS: readonly string[] = [
  `PRAGMA application_id = ${APPLICATION_ID};
   CREATE TABLE cluster (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE node (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE redemption (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE denied (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE audit (sequence INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  `CREATE TABLE removed (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE token (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE applicant (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  // From here on entries of the log are linked; a program that does not link
  // must not write to it.
  `CREATE TABLE head (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  // From here on a rotation may be `recalling`; a program that does not know
  // that would go back at once, and cut off who pins the new root.
  "",
  // Until here the first manager ran as itself, whichever that was. A store
  // that names none is refused when it is opened as a manager.
  `UPDATE cluster SET value = json_set(value, '$.ownNode', (${FIRST_MANAGER}))
   WHERE json_valid(value) AND EXISTS (${FIRST_MANAGER});`,
];

/** What {@linkcode migrate} needs beside the database. */
export interface MigrateOptions {
  /** Where the database is, for errors. */
  readonly path: string;
  /** Default: {@linkcode MIGRATIONS}. */
  readonly migrations?: readonly string[];
}

/**
 * Brings a database to the newest version, each step in a transaction of its
 * own, so that an interrupted one is simply taken again.
 *
 * @throws {SwarmdError} `newer-store` when a newer program wrote it, which is
 * found before anything is changed; `damaged-state` when it is not ours
 */
export function migrate(database: DatabaseSync, options: MigrateOptions): void {
  const { path, migrations = MIGRATIONS } = options;
  refuseForeign(database, path);
  const found = pragma(database, "user_version");
  if (found > migrations.length) throw newerStore(path, found, migrations);
  for (const [at, sql] of [...migrations.entries()].slice(found)) {
    takeStep(database, `${sql}; PRAGMA user_version = ${at + 1}`);
  }
}

function takeStep(database: DatabaseSync, sql: string): void {
  try {
    database.exec(`BEGIN IMMEDIATE; ${sql}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function refuseForeign(database: DatabaseSync, path: string): void {
  const empty = pragma(database, "schema_version") === 0;
  const id = pragma(database, "application_id");
  if (empty || id === APPLICATION_ID) return;
  throw new SwarmdError(
    "damaged-state",
    `Cannot open the store "${path}": it is a database of another program`,
    { verdict: "stop", hint: "Check the state directory", data: { path } },
  );
}

function newerStore(
  path: string,
  found: number,
  { length: known }: readonly string[],
): SwarmdError {
  return new SwarmdError(
    "newer-store",
    `Cannot open the store "${path}": it has version ${found}, this program knows versions up to ${known}`,
    {
      verdict: "stop",
      hint:
        "Run the version of swarmd that wrote it, or a newer one; the store was not changed",
      data: { path, found, known },
    },
  );
}

function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name]);
}
