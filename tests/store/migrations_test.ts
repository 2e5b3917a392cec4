import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { hasCode } from "../../lib/base/errors.ts";
import { migrate, MIGRATIONS } from "../../lib/store/migrations.ts";

const RENAME = "ALTER TABLE denied RENAME TO refused";
const HALF_WRONG = "DROP TABLE denied; DROP TABLE never_made";

Deno.test("migrate() makes a new store of the newest version", () => {
  using database = new DatabaseSync(":memory:");
  migrate(database, { path: "x" });
  assertEquals(versionOf(database), MIGRATIONS.length);
  assertEquals(tablesOf(database), [
    "applicant",
    "audit",
    "cluster",
    "denied",
    "head",
    "node",
    "redemption",
    "removed",
    "token",
  ]);
});

Deno.test("migrate() takes the steps that are missing, each once, and keeps the rows", () => {
  using database = new DatabaseSync(":memory:");
  migrate(database, { path: "x", migrations: MIGRATIONS.slice(0, 1) });
  database.exec("INSERT INTO denied VALUES ('a', '{}')");
  const migrations = [...MIGRATIONS.slice(0, 1), RENAME];
  migrate(database, { path: "x", migrations });
  migrate(database, { path: "x", migrations });
  assertEquals(versionOf(database), 2);
  const rows = database.prepare("SELECT id FROM refused").all();
  assertEquals(rows.map((row) => row.id), ["a"]);
});

Deno.test("migrate() undoes a step that fails and keeps those before", () => {
  using database = new DatabaseSync(":memory:");
  const migrations = [...MIGRATIONS.slice(0, 1), HALF_WRONG];
  assertThrows(() => migrate(database, { path: "x", migrations }));
  assertEquals(versionOf(database), 1);
  assertArrayIncludes(tablesOf(database), ["denied"]);
});

Deno.test("migrate() refuses a newer store before it changes anything", () => {
  using database = new DatabaseSync(":memory:");
  migrate(database, { path: "x", migrations: [...MIGRATIONS, RENAME] });
  const before = tablesOf(database);
  const error = assertThrows(() => migrate(database, { path: "x" }));
  assert(hasCode(error, "newer-store"));
  assertEquals(tablesOf(database), before);
});

Deno.test("migrate() names the first manager as the own node, once", () => {
  using database = new DatabaseSync(":memory:");
  const before = MIGRATIONS.slice(0, 4);
  migrate(database, { path: "x", migrations: before });
  const manager = (at: number) => `{"role":"manager","createdAt":${at}}`;
  database.exec(`INSERT INTO cluster VALUES ('c', '{"id":"c","drill":false}');
    INSERT INTO node VALUES ('w', '{"role":"worker","createdAt":1}');
    INSERT INTO node VALUES ('a', '${manager(3)}');
    INSERT INTO node VALUES ('b', '${manager(2)}');`);
  migrate(database, { path: "x" });
  database.exec("DELETE FROM node WHERE id = 'b'");
  migrate(database, { path: "x" });
  const row = database.prepare("SELECT value FROM cluster").get();
  assertEquals(row?.value, '{"id":"c","drill":false,"ownNode":"b"}');
});

Deno.test("migrate() leaves it to who reads the store to find a damaged row, or no manager", () => {
  for (const node of ["{", '{"role":"worker"}']) {
    using database = new DatabaseSync(":memory:");
    migrate(database, { path: "x", migrations: MIGRATIONS.slice(0, 4) });
    const put = database.prepare("INSERT INTO node VALUES ('n', ?)");
    put.run(node);
    database.exec("INSERT INTO cluster VALUES ('c', '{}')");
    migrate(database, { path: "x" });
    const row = database.prepare("SELECT value FROM cluster").get();
    assertEquals(row?.value, "{}");
  }
});

function versionOf(database: DatabaseSync): unknown {
  return database.prepare("PRAGMA user_version").get()?.user_version;
}

function tablesOf(database: DatabaseSync): unknown[] {
  const sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
  return database.prepare(sql).all().map((row) => row.name).sort();
}
