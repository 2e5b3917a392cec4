import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { type Membership, WorkerState } from "../../lib/worker/state.ts";
import { CALM } from "../manager/house.ts";
import { diskFull, SimDisk } from "../sim/sim_disk.ts";

function membership(change: Partial<Membership> = {}): Membership {
  return {
    cluster: "c",
    rootDigest: "sha256:ab",
    tokenId: "t",
    binding: "machine",
    seeds: ["10.0.0.5:2377"],
    managers: [],
    issuedAt: 1,
    renewAt: 2,
    ...change,
  };
}

Deno.test("WorkerState remembers by node, over a restart", async () => {
  const store = new SimDisk().open(CALM);
  const state = await WorkerState.load(store);
  assertEquals(state.of("a"), undefined);
  await state.remember("a", membership());
  await state.remember("b", membership({ cluster: "d" }));
  for (const each of [state, await WorkerState.load(store)]) {
    assertEquals(each.of("a"), membership());
    assertEquals(each.of("b"), membership({ cluster: "d" }));
    assertEquals(each.of("c"), undefined);
  }
});

Deno.test("WorkerState keeps the newest and three others", async () => {
  const store = new SimDisk().open(CALM);
  const state = await WorkerState.load(store);
  for (const id of ["a", "b", "c", "d"]) await state.remember(id, membership());
  // What is remembered anew is new.
  await state.remember("a", membership({ renewAt: 3 }));
  await state.remember("e", membership());
  const found = await WorkerState.load(store);
  const ids = ["a", "b", "c", "d", "e"].filter((id) => found.of(id));
  assertEquals(ids, ["a", "c", "d", "e"]);
});

Deno.test("WorkerState writes only what changed", async () => {
  let writes = 0;
  const store = new SimDisk().open({
    before: () => Promise.resolve(),
    after: () => {
      writes++;
      return Promise.resolve();
    },
  });
  const state = await WorkerState.load(store);
  await state.remember("a", membership());
  await state.remember("a", membership());
  assertEquals(writes, 1);
  await state.remember("a", membership({ renewAt: 3 }));
  assertEquals(writes, 2);
});

Deno.test("WorkerState writes what came last, however slow the disk is", async () => {
  const gate = Promise.withResolvers<void>();
  let writes = 0;
  const disk = new SimDisk();
  const state = await WorkerState.load(disk.open({
    before: () => ++writes === 2 ? gate.promise : Promise.resolve(),
    after: () => Promise.resolve(),
  }));
  await state.remember("a", membership());
  const slow = state.remember("a", membership({ refused: "replaced" }));
  // As it lies on the disk, and not as it is about to.
  const back = state.remember("a", membership());
  gate.resolve();
  await Promise.all([slow, back]);
  const found = await WorkerState.load(disk.open(CALM));
  assertEquals(found.of("a"), membership());
});

Deno.test("WorkerState believes nothing that was not written", async () => {
  const disk = new SimDisk();
  const state = await WorkerState.load(disk.open(CALM));
  await state.remember("a", membership());
  const failing = await WorkerState.load(disk.open({
    before: () => Promise.reject(diskFull()),
    after: () => Promise.resolve(),
  }));
  const changed = membership({ renewAt: 9 });
  await assertRejects(() => failing.remember("a", changed), SwarmdError);
  assertEquals(failing.of("a"), membership());
  // Another try writes it.
  await assertRejects(() => failing.remember("a", changed), SwarmdError);
});

Deno.test("WorkerState refuses a damaged file by name", async () => {
  const damages: unknown[] = [
    {},
    [],
    "text",
    7,
    null,
    { version: 2, nodes: {} },
    { version: 1 },
    { version: 1, nodes: [] },
    { version: 1, nodes: { a: {} } },
    { version: 1, nodes: { a: { ...membership(), renewAt: "soon" } } },
    { version: 1, nodes: { a: { ...membership(), managers: [7] } } },
  ];
  for (const damage of damages) {
    const store = new SimDisk().open(CALM);
    await store.saveState(damage);
    const error = await assertRejects(
      () => WorkerState.load(store),
      SwarmdError,
    );
    assertEquals([error.code, error.verdict], ["damaged-state", "stop"]);
  }
});
