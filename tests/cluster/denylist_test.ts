import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  compactDenylist,
  deny,
  WRITE_SLICE,
} from "../../lib/cluster/denylist.ts";
import { DenylistIndex, END_STEP } from "../../lib/cluster/denylist_index.ts";
import type { Store } from "../../lib/cluster/store.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { NODE_ID, NOW } from "./samples.ts";

function superseded(id: string, notAfter: number) {
  const [issuerKeyId = "", serial = ""] = id.split(".");
  const reason = "superseded" as const;
  return { serial, issuerKeyId, notAfter, nodeId: NODE_ID, reason };
}

function serialsIn(store: Store): string[] {
  return store.view((view) => [...view.list("denied")].map((e) => e.serial));
}

Deno.test("deny() keys certificates by issuer and serial", async () => {
  const store = new StoreDisk().open();
  await store.update((tx) => {
    deny(tx, superseded("aa.01", NOW));
    deny(tx, superseded("bb.01", NOW));
    deny(tx, { ...superseded("aa.01", NOW), deniedAt: NOW - 1 });
  });
  const denied = store.view((view) => [...view.list("denied")]);
  assertEquals(denied.map((each) => each.issuerKeyId), ["aa", "bb"]);
  assertEquals(denied[0], {
    issuerKeyId: "aa",
    serial: "01",
    nodeId: NODE_ID,
    reason: "superseded",
    until: NOW,
    deniedAt: NOW - 1,
  });
  assertEquals(denied[1]?.deniedAt, undefined);
  await store.close();
});

Deno.test("compactDenylist() forgets exactly what ended in a step of time that is over", async () => {
  const store = new StoreDisk().open();
  await store.update((tx) => {
    deny(tx, superseded("aa.00", NOW - END_STEP));
    deny(tx, superseded("aa.01", NOW - 1));
    deny(tx, superseded("bb.02", NOW - 1));
    deny(tx, superseded("aa.03", NOW));
    deny(tx, superseded("aa.04", NOW + END_STEP));
  });
  const index = new DenylistIndex(store);
  const compact = (now: number) => compactDenylist(store, { index, now });
  assertEquals(await compact(NOW - END_STEP), 0);
  assertEquals(await compact(NOW), 3);
  assertEquals(serialsIn(store), ["03", "04"]);
  assertEquals(await compact(NOW + END_STEP - 1), 0);
  assertEquals(await compact(NOW + END_STEP), 1);
  assertEquals(serialsIn(store), ["04"]);
  index.close();
  await store.close();
});

Deno.test("compactDenylist() takes many in small transactions", async () => {
  const disk = new StoreDisk();
  const store = disk.open();
  const count = 10 * WRITE_SLICE + 1;
  await store.update((tx) => {
    for (let i = 0; i < count; i++) {
      deny(tx, superseded(`aa.${i}`, NOW - 1 - i));
    }
  });
  const index = new DenylistIndex(store);
  const sizes: number[] = [];
  disk.after = (changes) => void sizes.push(changes.length);
  assertEquals(await compactDenylist(store, { index, now: NOW }), count);
  assertEquals(sizes, [...Array(10).fill(WRITE_SLICE), 1]);
  assertEquals(serialsIn(store), []);
  index.close();
  await store.close();
});

Deno.test("DenylistIndex says what the store says, from its start and after every change", async () => {
  const change = fc.record({
    id: fc.constantFrom("aa.01", "aa.02", "bb.01", "bb.02"),
    end: fc.option(fc.integer({ min: -2, max: 2 }), { nil: undefined }),
  });
  await fc.assert(fc.asyncProperty(
    fc.array(change, { maxLength: 12 }),
    fc.nat(12),
    async (changes, openedAt) => {
      const store = new StoreDisk().open();
      let index = new DenylistIndex(store);
      for (const [i, { id, end }] of changes.entries()) {
        if (i === openedAt) {
          index.close();
          index = new DenylistIndex(store);
        }
        const before = ["aa", "bb"].map((key) => index.recordsOf(key));
        const versions = ["aa", "bb"].map((key) => index.versionOf(key));
        await store.update((tx) => {
          if (end === undefined) tx.remove("denied", id);
          else deny(tx, superseded(id, NOW + end * END_STEP));
        });
        for (const [at, key] of ["aa", "bb"].entries()) {
          const records = index.recordsOf(key);
          const same = sorted(records) === sorted(before[at] ?? []);
          // Written anew is a change as well
          if (!same) assert(index.versionOf(key) !== versions[at]);
        }
      }
      const all = store.view((view) => [...view.list("denied")]);
      const held = ["aa", "bb"].flatMap((key) => index.recordsOf(key));
      assertEquals(sorted(held), sorted(all));
      assertEquals(
        sorted(index.ended(NOW)),
        sorted(all.filter(({ until }) => until < NOW)),
      );
      index.close();
      await store.close();
    },
  ));
});

function sorted(records: Iterable<object>): string {
  return Array.from(records, (each) => JSON.stringify(each)).sort().join();
}
