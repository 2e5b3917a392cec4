import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { hasCode } from "../../lib/base/errors.ts";
import type { Store, Transaction } from "../../lib/cluster/store.ts";
import { MAX_BATCH } from "../../lib/store/staged.ts";
import { storeContract } from "../contracts/store_contract.ts";
import {
  sampleEntry,
  sampleNode,
  sampleRedemption,
} from "../contracts/store_samples.ts";
import { StoreDisk } from "../fakes/store_disk.ts";

storeContract("StoreDisk", async (test) => {
  const store = new StoreDisk().open();
  try {
    await test(store);
  } finally {
    await store.close();
  }
});

Deno.test("update() shares one commit among those that wait together", async () => {
  const { disk, store } = opened();
  await Promise.all(times(MAX_BATCH, () => store.update(countUp)));
  assertEquals(disk.commits, 1);
  await store.update(countUp);
  assertEquals(disk.commits, 2);
});

Deno.test("update() never puts more than MAX_BATCH in a commit, first come first", async () => {
  const { disk, store } = opened();
  const order: number[] = [];
  await Promise.all(times(
    3 * MAX_BATCH,
    (i) => store.update(countUp).then(() => order.push(i)),
  ));
  assertEquals(disk.commits, 3);
  assertEquals(order, order.toSorted((a, b) => a - b));
});

Deno.test("update() collects what comes while a commit runs for the next one", async () => {
  const { disk, store } = opened();
  const release = disk.hold();
  const first = store.update(countUp);
  await turns();
  const others = times(10, () => store.update(countUp));
  await turns();
  assertEquals(count(store), 0);
  release();
  assertEquals(await first, 1);
  assertEquals((await Promise.all(others)).at(-1), 11);
  assertEquals(disk.commits, 2);
});

Deno.test("view() sees the state before while a commit runs", async () => {
  const { disk, store } = opened();
  await store.update(countUp);
  const release = disk.hold();
  const updated = store.update((t) => {
    t.append("audit", sampleEntry("x"));
    return countUp(t);
  });
  await turns();
  assertEquals(count(store), 1);
  assertEquals(store.view((view) => view.last("audit")), 0);
  release();
  await updated;
  assertEquals(count(store), 2);
  assertEquals(store.view((view) => view.last("audit")), 1);
});

Deno.test("update() commits nothing when nothing changed", async () => {
  const { disk, store } = opened();
  await store.update((t) => t.count("node"));
  assertEquals(disk.commits, 0);
});

Deno.test("update() rejects with disk and leaves the state when a commit fails", async () => {
  const { disk, store } = opened();
  await store.update((t) => t.put("node", "kept", sampleNode("kept")));
  let told = 0;
  store.watch(() => told++);
  disk.full = true;
  const outcomes = await Promise.allSettled([
    store.update(countUp),
    store.update((t) => t.remove("node", "kept")),
    store.update((t) => t.append("audit", sampleEntry("lost"))),
  ]);
  for (const outcome of outcomes) {
    assert(outcome.status === "rejected" && hasCode(outcome.reason, "disk"));
  }
  assertEquals(told, 0);
  assertEquals(count(store), 0);
  store.view((view) => {
    assertEquals(view.get("node", "kept"), sampleNode("kept"));
    assertEquals(view.last("audit"), 0);
  });
});

Deno.test("update() works again once the disk does, with no gap in the log", async () => {
  const { disk, store } = opened();
  const append = () => store.update((t) => t.append("audit", sampleEntry("x")));
  assertEquals(await append(), 1);
  assertEquals(store.fault, undefined);
  disk.full = true;
  await assertRejects(append);
  assertMatch(store.fault ?? "", /full/);
  disk.full = false;
  assertEquals(await append(), 2);
  assertEquals(store.fault, undefined);
});

Deno.test("update() tells a refusal as disk when what it rests on was not written", async () => {
  const { disk, store } = opened();
  const claim = () =>
    store.update((t) => {
      if (t.get("redemption", "count")) throw new RangeError("taken");
      countUp(t);
    });
  disk.full = true;
  const refused = await Promise.allSettled([claim(), claim()]);
  for (const outcome of refused) {
    assert(outcome.status === "rejected" && hasCode(outcome.reason, "disk"));
  }
  disk.full = false;
  const [first, second] = await Promise.allSettled([claim(), claim()]);
  assertEquals(first?.status, "fulfilled");
  assert(second?.status === "rejected" && second.reason instanceof RangeError);
});

Deno.test("watch() reports a callback that throws and goes on with the others", async () => {
  const { disk, store } = opened();
  const failure = new Error("bug");
  let told = 0;
  store.watch(() => {
    throw failure;
  });
  store.watch(() => told++);
  assertEquals(await store.update(countUp), 1);
  assertEquals(disk.reported, [failure]);
  assertEquals(told, 1);
});

Deno.test("watch() does not call one that an earlier one has stopped", async () => {
  const { store } = opened();
  let told = 0;
  store.watch(() => stop());
  const stop = store.watch(() => told++);
  await store.update(countUp);
  assertEquals(told, 0);
});

Deno.test("watch() calls once a commit, with the difference of the whole group", async () => {
  const { store } = opened();
  const seen: unknown[] = [];
  store.watch((changes) => seen.push(changes));
  await Promise.all(times(10, () => store.update(countUp)));
  const after = sampleRedemption("count", 10);
  assertEquals(seen, [
    [{ kind: "redemption", id: "count", before: undefined, after }],
  ]);
});

Deno.test("StoreDisk.open() finds what was committed and cuts off who had it open", async () => {
  const { disk, store: old } = opened();
  await old.update(countUp);
  const store = disk.open();
  assertEquals(count(store), 1);
  await assertRejects(() => old.update(countUp));
  assertEquals(await store.update(countUp), 2);
  assertEquals(count(old), 1);
});

Deno.test("entries() does not show what is not committed yet", async () => {
  const { disk, store } = opened();
  const release = disk.hold();
  const updated = store.update((t) => t.append("audit", sampleEntry("x")));
  await turns();
  assertEquals(await store.entries("audit", { after: 0, limit: 1 }), []);
  release();
  await updated;
  assertEquals(
    (await store.entries("audit", { after: 0, limit: 1 })).length,
    1,
  );
});

Deno.test("view() passes on what its callback throws", () => {
  const { store } = opened();
  assertThrows(
    () =>
      store.view(() => {
        throw new RangeError("mine");
      }),
    RangeError,
    "mine",
  );
});

function opened(): { disk: StoreDisk; store: Store } {
  const disk = new StoreDisk();
  return { disk, store: disk.open() };
}

function times<T>(length: number, make: (i: number) => T): T[] {
  return Array.from({ length }, (_, i) => make(i));
}

function count(store: Store): number {
  return store.view((view) => view.get("redemption", "count")?.at ?? 0);
}

function countUp(t: Transaction): number {
  const at = (t.get("redemption", "count")?.at ?? 0) + 1;
  t.put("redemption", "count", sampleRedemption("count", at));
  return at;
}

async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}
