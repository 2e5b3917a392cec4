import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { SwarmdError } from "../../lib/base/errors.ts";
import { toHex } from "../../lib/base/bytes.ts";
import { audit } from "../../lib/cluster/audit.ts";
import { canonicalEntry, GENESIS } from "../../lib/cluster/audit_chain.ts";
import {
  type Change,
  CLUSTER,
  MAX_PAGE,
  type Store,
  type Transaction,
  type View,
} from "../../lib/cluster/store.ts";
import { sha256 } from "../fakes/sha256.ts";
import { runScript, type Script, scripts } from "./store_model.ts";
import {
  sampleCluster,
  sampleEntry,
  sampleNode,
  sampleRedemption,
} from "./store_samples.ts";

/** Runs a test on a fresh, empty store, and releases it. */
export type WithStore = (
  test: (store: Store) => Promise<void>,
) => Promise<void>;

/** What every engine must do: the doc comment of `Store`, as tests. */
export function storeContract(name: string, withStore: WithStore): void {
  const test: DefineTest = (title, body) =>
    Deno.test(`${name}: ${title}`, () => withStore(body));
  testUpdates(test);
  testGroups(test);
  testGuards(test);
  testRecords(test);
  testLists(test);
  testLogs(test);
  testWatch(test);
  testClose(test);

  Deno.test(`${name}: update() does what a plain map would, whatever is asked`, async () => {
    await fc.assert(
      fc.asyncProperty(
        scripts(),
        (script: Script) => withStore((store) => runScript(store, script)),
      ),
      { numRuns: 60 },
    );
  });
}

type DefineTest = (
  title: string,
  body: (store: Store) => Promise<void>,
) => void;

function testUpdates(test: DefineTest): void {
  test("view() sees nothing in a new store", (store) => {
    store.view((view) => {
      assertEquals(view.get("cluster", CLUSTER), undefined);
      assertEquals([...view.list("node")], []);
      assertEquals(view.count("node"), 0);
      assertEquals(view.last("audit"), 0);
    });
    return Promise.resolve();
  });

  test("update() shows its change once it is settled, not before", async (store) => {
    const updated = store.update((t) => t.put("node", "a", sampleNode("a")));
    assertEquals(ids(store), []);
    await updated;
    assertEquals(ids(store), ["a"]);
    assertEquals(
      store.view((view) => view.get("node", "a")),
      sampleNode("a"),
    );
  });

  test("update() resolves with what the callback returned", async (store) => {
    assertEquals(await store.update(() => "seen"), "seen");
    assertEquals(await store.update((t) => t.count("node")), 0);
  });

  test("update() lets a transaction read its own writes", async (store) => {
    await putNodes(store, ["b", "d"]);
    const seen = await store.update((t) => {
      for (const id of ["c", "a"]) t.put("node", id, sampleNode(id));
      t.remove("node", "d");
      t.append("audit", sampleEntry("one"));
      const listed = [...t.list("node")].map((node) => node.id);
      return [listed, t.count("node"), t.get("node", "d"), t.last("audit")];
    });
    assertEquals(seen, [["a", "b", "c"], 3, undefined, 1]);
    assertEquals(ids(store), ["a", "b", "c"]);
  });
}

function testGroups(test: DefineTest): void {
  test("update() leaves no trace when the callback throws", async (store) => {
    await putNodes(store, ["a"]);
    const failure = new Error("refused");
    const thrown = await assertRejects(() =>
      store.update((t) => {
        t.put("node", "b", sampleNode("b"));
        t.remove("node", "a");
        t.append("audit", sampleEntry("never"));
        throw failure;
      })
    );
    assertStrictEquals(thrown, failure);
    assertEquals(ids(store), ["a"]);
    assertEquals(store.view((view) => view.last("audit")), 0);
    assertEquals(await store.entries("audit", { after: 0, limit: 9 }), []);
  });

  test("update() is serial: 200 at once count to 200", async (store) => {
    const results = await Promise.all(
      Array.from({ length: 200 }, () => store.update(countUp)),
    );
    assertEquals(results, Array.from({ length: 200 }, (_, i) => i + 1));
    assertEquals(
      store.view((view) => view.get("redemption", "count")?.at),
      200,
    );
  });

  test("update() that throws does not hurt those that wait with it", async (store) => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) =>
        store.update((t) => {
          const count = countUp(t);
          t.append("audit", sampleEntry(String(i)));
          if (i % 3 === 0) throw new Error("refused");
          return count;
        })),
    );
    const good = outcomes.flatMap((o) =>
      o.status === "fulfilled" ? [o.value] : []
    );
    assertEquals(good, Array.from({ length: 26 }, (_, i) => i + 1));
    assertEquals(store.view((view) => view.last("audit")), 26);
  });
}

function testGuards(test: DefineTest): void {
  test("update() refuses an asynchronous callback and drops its writes", async (store) => {
    await assertRejects(
      () => store.update((t) => Promise.resolve(countUp(t))),
      TypeError,
    );
    assertEquals(store.view((view) => view.count("redemption")), 0);
  });

  test("update() ends its transaction: later writes are refused", async (store) => {
    const kept = await store.update((t) => t);
    assertThrows(() => kept.put("node", "a", sampleNode("a")), TypeError);
    assertThrows(() => kept.append("audit", sampleEntry("x")), TypeError);
    assertEquals(ids(store), []);
  });

  test("put() protects a record from changes, deeply", async (store) => {
    const node = { ...sampleNode("a"), address: "before" };
    await store.update((t) => t.put("node", "a", node));
    tryTo(() => node.address = "after");
    const read = store.view((view) => view.get("node", "a"));
    tryTo(() => Object.assign(read?.certificates.current ?? {}, { serial: 1 }));
    const again = store.view((view) => view.get("node", "a"));
    assertEquals(again?.address, "before");
    assertEquals(again, { ...sampleNode("a"), address: "before" });
  });

  for (const [what, value] of NOT_JSON) {
    test(`put() refuses ${what}, which JSON cannot carry`, async (store) => {
      const record = { ...sampleNode("a"), description: value };
      await assertRejects(
        () => store.update((t) => t.put("node", "a", record as never)),
        TypeError,
        "node.description",
      );
      assertEquals(ids(store), []);
    });
  }
}

function testRecords(test: DefineTest): void {
  test("put() replaces and remove() forgets, in one kind only", async (store) => {
    await store.update((t) => {
      t.put("node", "a", sampleNode("a", 1));
      t.put("redemption", "a", sampleRedemption("a", 1));
      t.put("cluster", CLUSTER, sampleCluster("s"));
    });
    await store.update((t) => t.put("node", "a", sampleNode("a", 2)));
    assertEquals(store.view((v) => v.get("node", "a")?.createdAt), 2);
    await store.update((t) => t.remove("node", "a"));
    await store.update((t) => t.remove("node", "never there"));
    store.view((view) => {
      assertEquals(view.get("node", "a"), undefined);
      assertEquals(view.count("node"), 0);
      assertEquals(view.count("redemption"), 1);
      assertEquals(view.get("cluster", CLUSTER), sampleCluster("s"));
    });
  });
}

function testLists(test: DefineTest): void {
  test("list() goes in order of id, however they came", async (store) => {
    await putNodes(store, ["m", "z", "B", "a", "10", "9"]);
    assertEquals(ids(store), ["10", "9", "B", "a", "m", "z"]);
    await store.update((t) => t.remove("node", "m"));
    await putNodes(store, ["c"]);
    assertEquals(ids(store), ["10", "9", "B", "a", "c", "z"]);
  });

  test("ids() goes as list() does, and what it gave does not change", async (store) => {
    await putNodes(store, ["b", "a"]);
    const before = store.view((view) => view.ids("node"));
    await store.update((tx) => {
      tx.remove("node", "b");
      tx.put("node", "c", sampleNode("c"));
      assertEquals(tx.ids("node"), ["a", "c"]);
    });
    assertEquals(before, ["a", "b"]);
    assertEquals(store.view((view) => view.ids("node")), ["a", "c"]);
  });

  test("uncommitted() names what a transaction and those before it wrote, until it is committed", async (store) => {
    await putNodes(store, ["a", "b", "c"]);
    const uncommitted = (view: View) =>
      [...view.uncommitted("node")].toSorted();
    const seen = await Promise.all([
      store.update((tx) => {
        tx.remove("node", "a");
        return uncommitted(tx);
      }),
      store.update((tx) => {
        tx.put("node", "d", sampleNode("d"));
        tx.put("node", "b", sampleNode("b"));
        return uncommitted(tx);
      }),
    ]);
    assertEquals(seen[0], ["a"]);
    // The first may be committed by then, and may not be
    assertEquals(seen[1]?.filter((id) => id !== "a"), ["b", "d"]);
    assertEquals(store.view(uncommitted), []);
    await store.update((tx) => assertEquals(uncommitted(tx), []));
  });
}

function testLogs(test: DefineTest): void {
  test("append() numbers entries from 1 without gaps", async (store) => {
    const numbers = await Promise.all(
      ["a", "b", "c"].map((why) =>
        store.update((t) => t.append("audit", sampleEntry(why)))
      ),
    );
    assertEquals(numbers, [1, 2, 3]);
    await store.update((t) => audit(t, sampleEntry("d")));
    const entries = await store.entries("audit", { after: 0, limit: 9 });
    assertEquals(
      entries.map((entry) => [entry.sequence, entry.why]),
      [[1, "a"], [2, "b"], [3, "c"], [4, "d"]],
    );
    const [first, second] = entries;
    assert(first && second);
    assertEquals(first, {
      sequence: 1,
      ...sampleEntry("a"),
      previous: GENESIS,
    });
    assertEquals(second.previous, toHex(sha256(canonicalEntry(first))));
  });

  test("entries() returns the page that was asked for", async (store) => {
    for (let i = 1; i <= 5; i++) {
      await store.update((t) => t.append("audit", sampleEntry(String(i))));
    }
    const page = async (after: number, limit: number) =>
      (await store.entries("audit", { after, limit })).map((e) => e.sequence);
    assertEquals(await page(0, 2), [1, 2]);
    assertEquals(await page(2, MAX_PAGE), [3, 4, 5]);
    assertEquals(await page(4, 1), [5]);
    assertEquals(await page(5, 1), []);
  });

  test("entries() refuses pages that cannot be", async (store) => {
    for (const [after, limit] of IMPOSSIBLE_PAGES) {
      await assertRejects(
        () => store.entries("audit", { after, limit }),
        RangeError,
      );
    }
  });
}

function testWatch(test: DefineTest): void {
  test("watch() tells what each commit changed, before updates settle", async (store) => {
    const seen: Change[] = [];
    const stop = store.watch((changes) => seen.push(...changes));
    const updated = store.update((t) => {
      t.put("node", "a", sampleNode("a", 1));
      t.append("audit", sampleEntry("x"));
    }).then(() => seen.length);
    assertEquals(await updated, 2);
    await store.update((t) => t.put("node", "a", sampleNode("a", 2)));
    await store.update((t) => t.remove("node", "a"));
    stop();
    await store.update((t) => t.put("node", "a", sampleNode("a", 3)));
    const [one, two] = [sampleNode("a", 1), sampleNode("a", 2)];
    const linked = { sequence: 1, ...sampleEntry("x"), previous: GENESIS };
    assertEquals(seen, [
      { kind: "node", id: "a", before: undefined, after: one },
      { kind: "audit", entry: linked },
      { kind: "node", id: "a", before: one, after: two },
      { kind: "node", id: "a", before: two, after: undefined },
    ]);
  });

  test("watch() is silent when nothing changed", async (store) => {
    let calls = 0;
    store.watch(() => calls++);
    await store.update((t) => t.count("node"));
    await store.update((t) => {
      t.put("node", "a", sampleNode("a"));
      t.remove("node", "a");
    });
    await assertRejects(() =>
      store.update((t) => {
        t.put("node", "a", sampleNode("a"));
        throw new Error("refused");
      })
    );
    assertEquals(calls, 0);
  });

  test("watch() lets its callback see and update the new state", async (store) => {
    let followUp: Promise<number> | undefined;
    store.watch(() => {
      assertEquals(ids(store), ["a"]);
      followUp ??= store.update(countUp);
    });
    await putNodes(store, ["a"]);
    assertEquals(await followUp, 1);
  });
}

function testClose(test: DefineTest): void {
  test("close() waits for what is under way and refuses what comes", async (store) => {
    const updates = Array.from({ length: 150 }, () => store.update(countUp));
    const closed = store.close();
    const late = await assertRejects(() => store.update(countUp));
    assertInstanceOf(late, SwarmdError);
    assertEquals(late.code, "interrupted");
    await closed;
    assertEquals((await Promise.all(updates)).at(-1), 150);
    await store.close();
    await assertRejects(
      () => store.entries("audit", { after: 0, limit: 1 }),
      SwarmdError,
    );
  });
}

/** Values that come back from JSON as something else, or not at all. */
const NOT_JSON: readonly (readonly [string, unknown])[] = [
  ["undefined", undefined],
  ["a date", new Date(0)],
  ["bytes", new Uint8Array(1)],
  ["a map", new Map()],
  ["NaN", NaN],
  ["a big integer", 1n],
  ["a function", () => 1],
  ["an array with a hole", { list: new Array(1) }],
];

const IMPOSSIBLE_PAGES: readonly (readonly [number, number])[] = [
  [-1, 1],
  [0.5, 1],
  [0, 0],
  [0, MAX_PAGE + 1],
  [NaN, 1],
];

function ids(store: Store): string[] {
  return store.view((view) => [...view.list("node")].map((node) => node.id));
}

async function putNodes(store: Store, names: readonly string[]): Promise<void> {
  await store.update((t) => {
    for (const id of names) t.put("node", id, sampleNode(id));
  });
}

function countUp(t: Transaction): number {
  const at = (t.get("redemption", "count")?.at ?? 0) + 1;
  t.put("redemption", "count", sampleRedemption("count", at));
  return at;
}

// Whether a frozen record refuses or a copy does not care is the engine's.
function tryTo(change: () => void): void {
  try {
    change();
  } catch (error) {
    assert(error instanceof TypeError);
  }
}
