import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { newestKey, sealValue } from "../../lib/pki/sealed.ts";
import { Died, Locker, type Running } from "./locker.ts";

/** A change of keys, as the operator's command makes it. */
type Change = (locker: Locker, running: Running) => Promise<void>;

const lock: Change = async (locker, { keys, things }) => {
  const { unlockKey } = await keys.offer();
  locker.seen.unshift(unlockKey);
  await keys.lock(things, unlockKey);
};
const off: Change = (_, { keys, things }) => keys.unlock(things);

/** What is done before, and the change that is looked at. */
const CHANGES: Readonly<Record<string, readonly [Change[], Change]>> = {
  "on": [[], lock],
  "rotation": [[lock], lock],
  "off": [[lock], off],
  "on again": [[lock, off], lock],
};

async function prepared(before: readonly Change[]): Promise<Locker> {
  const locker = await Locker.make();
  for (const change of before) await change(locker, await locker.start());
  return locker;
}

Deno.test("ClusterKeys.lock() and unlock() leave nothing under an older key, and no key open that is to be sealed", async () => {
  for (const [before, change] of Object.values(CHANGES)) {
    const locker = await prepared(before);
    const was = locker.file;
    const running = await locker.start();
    await change(locker, running);
    assertNotEquals(locker.file, was);
    locker.assertTidy();
    await locker.assertWhole();
  }
});

Deno.test("ClusterKeys.lock() erases what was overwritten before the older key is gone", async () => {
  const locker = await prepared([lock]);
  assertEquals(locker.erased.length, 1);
  assertEquals(locker.erased[0]?.split("\n").length, 3);
});

Deno.test("ClusterKeys: a death at any write of a change loses nothing, and the next start finishes it (W16)", async () => {
  for (const [name, [before, change]] of Object.entries(CHANGES)) {
    const whole = await prepared(before);
    await change(whole, await whole.start());
    const { writes } = whole;
    assert(writes >= 3, `${name} has ${writes} writes`);
    for (let at = 0; at < writes; at += 0.5) {
      const locker = await prepared(before);
      const running = await locker.start(at);
      await assertRejects(() => change(locker, running), Died, "", name);
      await locker.assertWhole();
      await finishWithDeaths(locker);
      locker.assertTidy();
      await locker.assertWhole();
    }
  }
});

/** Dies at each write of finishing, too, before it is let through. */
async function finishWithDeaths(locker: Locker): Promise<void> {
  for (let at = 0; at < 10; at += 0.5) {
    const { keys, things } = await locker.start(at);
    const end = await keys.finish(things).catch((error) => error);
    await locker.assertWhole();
    if (end === undefined) return;
    assert(end instanceof Died, String(end));
  }
  throw new Error("It does not finish");
}

Deno.test("ClusterKeys.finish() goes on in the same process after any write that failed, and says what is not done until then", async () => {
  for (const [name, [before, change]] of Object.entries(CHANGES)) {
    const whole = await prepared(before);
    await change(whole, await whole.start());
    const { writes } = whole;
    for (let from = 0; from < writes; from++) {
      const locker = await prepared(before);
      const running = await locker.start();
      const { keys, things } = running;
      locker.failures = { from, left: 2 };
      await assertRejects(() => change(locker, running), SwarmdError);
      assert(keys.unfinished, `${name} ${from}`);
      const [, again] = await Promise.allSettled([
        keys.finish(things),
        keys.finish(things),
      ]);
      assertEquals(again.status, "fulfilled");
      assertEquals(keys.unfinished, undefined);
      locker.assertTidy();
      await locker.assertWhole();
    }
  }
});

Deno.test("ClusterKeys.finish() changes nothing where all is done", async () => {
  const locker = await prepared([lock]);
  const { file } = locker;
  const { keys, things } = await locker.start();
  const { commits } = locker.storeDisk;
  await keys.finish(things);
  assertEquals([locker.file, locker.storeDisk.commits], [file, commits]);
});

Deno.test("ClusterKeys.lock() makes a new cluster key each time, its version that of the unlock key", async () => {
  const locker = await prepared([lock]);
  const running = await locker.start();
  const { keys } = running;
  const first = newestKey(keys.ring);
  const shown = await keys.unlockKey();
  assertEquals([first.version, shown?.version], [2, 2]);
  assertEquals(shown?.unlockKey, locker.seen[0]);
  await lock(locker, running);
  const second = newestKey(keys.ring);
  assertEquals(second.version, 3);
  assertNotEquals(second.key, first.key);
  assertEquals([...keys.ring.keys()], [3]);
  await off(locker, running);
  assertEquals(await keys.unlockKey(), undefined);
});

Deno.test("ClusterKeys.lock() takes the next key only", async () => {
  const locker = await prepared([lock]);
  const { keys, things } = await locker.start();
  const old = locker.seen[0] ?? "";
  for (const given of [old, "SWMKEY-1-x", ""]) {
    const error = await assertRejects(
      () => keys.lock(things, given),
      SwarmdError,
    );
    assertEquals(error.code, "unlock-refused");
  }
  assertEquals(keys.version, 2);
});

Deno.test("ClusterKeys: changes at the same time follow one another", async () => {
  const locker = await prepared([]);
  const running = await locker.start();
  const one = await running.keys.offer();
  const other = await running.keys.offer();
  locker.seen.push(one.unlockKey);
  const ends = await Promise.allSettled([
    running.keys.lock(running.things, one.unlockKey),
    running.keys.lock(running.things, other.unlockKey),
  ]);
  assertEquals(ends.map(({ status }) => status), ["fulfilled", "rejected"]);
  locker.assertTidy();
  await locker.assertWhole();
});

Deno.test("sealedStore() refuses a secret sealed under a key that was replaced meanwhile", async () => {
  const locker = await prepared([]);
  const { tokens } = locker.cluster;
  const running = await locker.start();
  const { store, keys } = running;
  const secret = await sealValue(locker.crypto, {
    key: newestKey(keys.ring),
    name: "standing-token/worker",
    data: new Uint8Array(16),
  });
  await lock(locker, running);
  const put = () =>
    store.update((tx) => {
      const cluster = tx.get("cluster", CLUSTER);
      assert(cluster);
      const worker = { ...tokens.worker, secret };
      const changed = { ...cluster, tokens: { ...cluster.tokens, worker } };
      tx.put("cluster", CLUSTER, changed as typeof cluster);
    });
  const error = await assertRejects(put, SwarmdError);
  assertEquals([error.code, error.verdict], ["too-busy", "retry"]);
  await locker.assertWhole();
});

Deno.test("ClusterKeys keeps an older key while something is sealed under it that it does not know", async () => {
  const locker = await prepared([]);
  const running = await locker.start();
  const { keys, store } = running;
  await store.update((tx) => {
    const cluster = tx.get("cluster", CLUSTER);
    assert(cluster);
    const strange = { version: 1, data: "c3RyYW5nZQ==" };
    tx.put("cluster", CLUSTER, { ...cluster, strange } as typeof cluster);
  });
  await lock(locker, running);
  assertEquals([...keys.ring.keys()].sort(), [1, 2]);
  assertMatch(keys.unfinished ?? "", /older cluster key/);
  await keys.finish(running.things);
  assertMatch(keys.unfinished ?? "", /older cluster key/);
  assertEquals(locker.file.split("\n").length, 3);
  const next = await keys.offer();
  const error = await assertRejects(
    () => keys.lock(running.things, next.unlockKey),
    SwarmdError,
  );
  assertEquals(error.code, "too-busy");
});

Deno.test("ClusterKeys records each change in the audit log, without a secret", async () => {
  const locker = await prepared([lock, lock, off]);
  const store = locker.storeDisk.open();
  const entries = await store.entries("audit", { after: 0, limit: 100 });
  const rotated = entries.filter(({ action }) => action === "key-rotated");
  assertEquals(rotated.map(({ why }) => why), [
    "autolock on, key version 2",
    "unlock key rotated, key version 3",
    "autolock off, key version 3",
  ]);
  assert(!JSON.stringify(entries).includes("SWMKEY"));
});
