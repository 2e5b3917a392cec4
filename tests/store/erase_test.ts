import { assert, assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { openSqliteStore } from "../../lib/store/sqlite.ts";
import { cluster, node } from "../cluster/samples.ts";
import { bytesAsText, withPath } from "./sqlite_files.ts";

/** Sealed secrets of ordinary size, each recognisable. */
function secret(name: string, version: number) {
  return { version, data: `${name}-v${version}-${"x".repeat(200)}` };
}

function record(version: number) {
  const base = cluster();
  const worker = { ...base.tokens.worker, secret: secret("worker", version) };
  const manager = { ...base.tokens.manager, secret: secret("boss", version) };
  const key = secret("root", version);
  return {
    ...base,
    root: { ...base.root, key },
    tokens: { worker, manager },
    // As large as it gets: it lies on pages of its own then.
    managers: Array.from({ length: 300 }, (_, i) => `10.0.0.${i}:2377`),
  };
}

Deno.test("Store.erase(): nothing that was overwritten is left in the database or its log", async () => {
  await withPath(async (path) => {
    const store = await openSqliteStore(path);
    try {
      const put = (version: number) =>
        store.update((tx) => tx.put("cluster", CLUSTER, record(version)));
      await put(1);
      for (let i = 0; i < 50; i++) {
        await store.update((tx) => tx.put("node", `n${i}`, node()));
      }
      await put(2);
      await store.update((tx) => tx.put("cluster", CLUSTER, cluster()));
      await put(3);
      const files = async () =>
        await bytesAsText(path) + await bytesAsText(`${path}-wal`);
      // It can fail: without it they are there.
      assert((await files()).includes("root-v1-"));
      await store.erase();
      const left = await files();
      for (const name of ["root", "worker", "boss"]) {
        for (const version of [1, 2]) {
          assert(!left.includes(`${name}-v${version}-`), `${name} ${version}`);
        }
        assert(left.includes(`${name}-v3-`));
      }
      assertEquals((await Deno.stat(`${path}-wal`)).size, 0);
    } finally {
      await store.close();
    }
  });
});

Deno.test("Store.erase() is refused when the store is closed", async () => {
  await withPath(async (path) => {
    const store = await openSqliteStore(path);
    await store.close();
    const error = await assertRejects(() => store.erase(), SwarmdError);
    assertEquals(error.code, "interrupted");
  });
});
