import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import fc from "fast-check";
import { DatabaseSync } from "node:sqlite";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import { ChainWalk } from "../../lib/cluster/audit_chain.ts";
import { CLUSTER, type Store } from "../../lib/cluster/store.ts";
import { Committed } from "../../lib/store/layers.ts";
import { migrate } from "../../lib/store/migrations.ts";
import { openSqliteStore } from "../../lib/store/sqlite.ts";
import { SqliteBackend } from "../../lib/store/sqlite_backend.ts";
import { MIGRATIONS } from "../../lib/store/migrations.ts";
import { StagedStore } from "../../lib/store/staged.ts";
import { storeContract } from "../contracts/store_contract.ts";
import { lookAt, runScript, scripts } from "../contracts/store_model.ts";
import {
  sampleCluster,
  sampleEntry,
  sampleNode,
} from "../contracts/store_samples.ts";
import { sha256 } from "../fakes/sha256.ts";
import { bytesAsText, runSql, withOpen, withPath } from "./sqlite_files.ts";

storeContract(
  "openSqliteStore()",
  (test) => withPath((path) => withOpen(path, test)),
);

Deno.test("openSqliteStore() finds after a restart exactly what was committed", async () => {
  await fc.assert(
    fc.asyncProperty(scripts(), (script) =>
      withPath(async (path) => {
        const before = await withOpen(path, async (store) => {
          await runScript(store, script);
          return everything(store);
        });
        assertEquals(await withOpen(path, everything), before);
      })),
    { numRuns: 25 },
  );
});

Deno.test("openSqliteStore() keeps its files to their owner", async () => {
  await withPath(async (path) => {
    await Deno.writeTextFile(path, "", { mode: 0o644 });
    await Deno.writeTextFile(`${path}-wal`, "", { mode: 0o644 });
    await withOpen(path, async (store) => {
      await store.update((t) => t.put("node", "a", sampleNode("a")));
      assertEquals(filesBeside(path), ["swarmd.db", "swarmd.db-wal"]);
      for (const name of [path, `${path}-wal`]) {
        assertEquals(((await Deno.stat(name)).mode ?? 0) & 0o777, 0o600);
      }
    });
  });
});

Deno.test("openSqliteStore() leaves one file behind when it is closed", async () => {
  await withPath(async (path) => {
    await withOpen(path, () => {});
    assertEquals(filesBeside(path), ["swarmd.db"]);
  });
});

Deno.test("openSqliteStore() makes no file when it must not", async () => {
  await withPath(async (path) => {
    await rejectsWith(() => openSqliteStore(path, { create: false }), {
      code: "not-initialised",
      text: "there is no such file",
    });
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  });
});

Deno.test("openSqliteStore() refuses a store that is open elsewhere", async () => {
  await withPath(async (path) => {
    await withOpen(path, async (store) => {
      await rejectsWith(() => openSqliteStore(path), {
        code: "locked-directory",
        text: path,
      });
      await store.update((t) => t.put("node", "a", sampleNode("a")));
    });
  });
});

Deno.test("openSqliteStore() says disk when the folder is not there", async () => {
  await withPath((path) =>
    rejectsWith(() => openSqliteStore(`${path}/x/y.db`), {
      code: "disk",
      text: path,
    })
  );
});

Deno.test("openSqliteStore() refuses a store of a newer program and leaves it as it is", async () => {
  await withPath(async (path) => {
    await withOpen(path, () => {});
    runSql(path, "PRAGMA user_version = 7");
    const before = await Deno.readFile(path);
    const error = await rejectsWith(() => openSqliteStore(path), {
      code: "newer-store",
      text:
        `the store "${path}": it has version 7, this program knows versions up to ${MIGRATIONS.length}`,
    });
    assertEquals(error.data, { path, found: 7, known: MIGRATIONS.length });
    assertEquals(await Deno.readFile(path), before);
  });
});

Deno.test("openSqliteStore() refuses a database of another program and leaves it as it is", async () => {
  await withPath(async (path) => {
    runSql(path, "CREATE TABLE node (id TEXT)");
    const before = await Deno.readFile(path);
    await rejectsWith(() => openSqliteStore(path), {
      code: "damaged-state",
      text: "another program",
    });
    assertEquals(await Deno.readFile(path), before);
  });
});

Deno.test("openSqliteStore() refuses a file that is not a database", async () => {
  await withPath(async (path) => {
    await Deno.writeTextFile(path, "not a database ".repeat(500));
    const error = await rejectsWith(() => openSqliteStore(path), {
      code: "damaged-state",
      text: path,
    });
    assert(error.hint);
  });
});

Deno.test("openSqliteStore() names the row that is damaged", async () => {
  for (const value of ["{", "[]", "null"]) {
    await withPath(async (path) => {
      await withOpen(path, () => {});
      runSql(path, `INSERT INTO node VALUES ('n7', '${value}')`);
      await rejectsWith(() => openSqliteStore(path), {
        code: "damaged-state",
        text: `"${path}": node "n7" is damaged`,
      });
    });
  }
});

Deno.test("openSqliteStore() refuses a table whose pages are damaged", async () => {
  await withPath(async (path) => {
    await withOpen(path, async (store) => {
      await store.update((t) => {
        for (let i = 0; i < 100; i++) {
          t.put("node", `n${i}`, sampleNode(`n${i}`));
        }
      });
    });
    await overwrite(path, { at: 4096 * 40, length: 4096 * 20 });
    await rejectsWith(() => openSqliteStore(path), {
      code: "damaged-state",
      text: path,
    });
  });
});

Deno.test("entries() names the entry that is damaged", async () => {
  await withPath(async (path) => {
    await withOpen(path, () => {});
    runSql(
      path,
      `INSERT INTO audit VALUES (1, '{'), (2, '{"sequence":2}')`,
    );
    await withOpen(
      path,
      (store) =>
        rejectsWith(() => store.entries("audit", { after: 0, limit: 1 }), {
          code: "damaged-state",
          text: 'audit "1" is damaged',
        }),
    );
  });
});

for (const row of ["'{'", `'{"sequence":2}'`]) {
  Deno.test(`openSqliteStore() refuses a log that ends with ${row} as entry 1`, async () => {
    await withPath(async (path) => {
      await withOpen(path, () => {});
      runSql(path, `INSERT INTO audit VALUES (1, ${row})`);
      await rejectsWith(() => openSqliteStore(path), {
        code: "damaged-state",
        text: 'audit "1" is damaged',
      });
    });
  });
}

Deno.test("openSqliteStore() reads a store as version 1 wrote it", async () => {
  const sql = await Deno.readTextFile(
    new URL("./testdata/version_1.sql", import.meta.url),
  );
  await withPath(async (path) => {
    runSql(path, sql);
    await withOpen(path, async (store) => {
      store.view((view) => {
        assertEquals(view.get("node", "n1")?.createdAt, 5);
        assertEquals(view.get("redemption", "k1")?.nodeId, "n1");
        assertEquals(view.get("denied", "i1.s1")?.reason, "removed");
        assertEquals(view.get("cluster", CLUSTER), undefined);
        assertEquals(view.last("audit"), 2);
      });
      const next = await store.update((t) =>
        t.append("audit", sampleEntry("x"))
      );
      assertEquals(next, 3);
      const page = { after: 0, limit: 9 };
      const entries = await store.entries("audit", page);
      assertEquals(entries.map((entry) => entry.action), [
        "issued",
        "promoted",
        "issued",
      ]);
      // The chain begins with the first entry that this version wrote.
      const walk = new ChainWalk({
        sha256: (data) => Promise.resolve(sha256(data)),
      });
      assertEquals(await walk.read(entries), undefined);
      assertEquals([walk.from, walk.checked], [3, 3]);
    });
  });
});

Deno.test("update() overwrites a sealed secret in the file, so that it is gone", async () => {
  // The new one is shorter: it does not cover the place of the old one.
  const [old, fresh] = ["OLD-SECRET".repeat(20), "NEW-SECRET"];
  await withPath(async (path) => {
    const put = (sealed: string) =>
      withOpen(path, async (store) => {
        await store.update((t) =>
          t.put("cluster", CLUSTER, sampleCluster(sealed))
        );
      });
    await put(old);
    assertStringIncludes(await bytesAsText(path), old);
    await put(fresh);
    const text = await bytesAsText(path);
    assertStringIncludes(text, fresh);
    assertFalse(text.includes("OLD-SECRET"));
  });
});

Deno.test("update() overwrites a sealed secret that spans pages, among other changes", async () => {
  const marks = Array.from({ length: 30 }, (_, i) => `SECRET-${i}-`);
  await withPath(async (path) => {
    await withOpen(path, async (store) => {
      for (const [i, mark] of marks.entries()) {
        await store.update((t) => {
          const sealed = mark.repeat(1 + (i * 97) % 900);
          t.put("cluster", CLUSTER, sampleCluster(sealed));
          t.put("node", `n${i % 7}`, sampleNode(`n${i % 7}`, i));
          t.remove("node", `n${(i * 3) % 7}`);
        });
      }
    });
    const text = await bytesAsText(path);
    assertEquals(marks.filter((mark) => text.includes(mark)), ["SECRET-29-"]);
  });
});

Deno.test("update() rejects with disk when the disk is full, and works once it is not", async () => {
  await withDatabase(async (store, database) => {
    database.exec("PRAGMA max_page_count = 1");
    await rejectsWith(() => putThree(store), {
      code: "disk",
      text: "Cannot write to the store",
    });
    assertEquals(everything(store).nodes, []);
    database.exec("PRAGMA max_page_count = 1000");
    assertEquals(await putThree(store), 1);
  });
});

Deno.test("update() undoes in the file what a failing commit had written", async () => {
  await withDatabase(async (store, database, path) => {
    database.exec(`CREATE TRIGGER broken BEFORE INSERT ON audit
      BEGIN SELECT RAISE(ABORT, 'broken'); END`);
    await rejectsWith(() => putThree(store), {
      code: "disk",
      text: "Cannot write to the store",
    });
    assertFalse(database.isTransaction);
    database.exec("DROP TRIGGER broken");
    await store.close();
    assertEquals((await withOpen(path, everything)).nodes, []);
  });
});

async function withDatabase(
  test: (store: Store, database: DatabaseSync, path: string) => Promise<void>,
): Promise<void> {
  await withPath(async (path) => {
    const database = new DatabaseSync(path);
    migrate(database, { path });
    const backend = new SqliteBackend(database, path);
    const store = new StagedStore(new Committed(), backend, {
      defer: queueMicrotask,
      report: reportError,
      hash: sha256,
    });
    try {
      await test(store, database, path);
    } finally {
      await store.close();
    }
  });
}

function putThree(store: Store): Promise<number> {
  return store.update((t) => {
    for (const id of ["a", "b", "c"]) t.put("node", id, sampleNode(id));
    return t.append("audit", sampleEntry("x"));
  });
}

function filesBeside(path: string): string[] {
  const folder = path.slice(0, path.lastIndexOf("/"));
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function everything(store: Store) {
  return store.view(lookAt);
}

async function rejectsWith(
  attempt: () => Promise<unknown>,
  wanted: { readonly code: ErrorCode; readonly text: string },
): Promise<SwarmdError> {
  const error = await assertRejects(attempt, SwarmdError);
  assertEquals(error.code, wanted.code, error.message);
  assertStringIncludes(error.message, wanted.text);
  return error;
}

async function overwrite(
  path: string,
  where: { readonly at: number; readonly length: number },
): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(where.at, Deno.SeekMode.Start);
  await file.write(new Uint8Array(where.length).fill(0xa5));
}
