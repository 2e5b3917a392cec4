import { assertEquals } from "@std/assert";
import { forgetRemoved, removeNode } from "../../lib/cluster/removal.ts";
import { KeyHolders } from "../../lib/manager/key_holders.ts";
import { certificate, node, previous } from "../cluster/samples.ts";
import { StoreDisk } from "../fakes/store_disk.ts";

const OTHER = "o".repeat(25);

Deno.test("KeyHolders knows the keys of every node's certificates, and no others", async () => {
  const store = new StoreDisk().open();
  const record = node({
    certificates: {
      current: certificate("current"),
      pending: certificate("pending"),
      previous: previous("previous", 1),
    },
  });
  await store.update((tx) => tx.put("node", record.id, record));
  const holders = new KeyHolders(store);
  const check = (names: readonly string[], id: string | undefined) => {
    for (const name of names) assertEquals(holders.holderOf(name), id, name);
  };
  check(["spki current", "spki pending", "spki previous"], record.id);
  check(["spki x", "", "constructor"], undefined);
  // What follows comes through the store's watch.
  const { previous: _, ...kept } = record.certificates;
  await store.update((tx) => {
    tx.put("node", record.id, { ...record, certificates: kept });
    const second = node({ id: OTHER, certificates: certificates("second") });
    tx.put("node", OTHER, second);
  });
  check(["spki previous"], undefined);
  check(["spki current", "spki pending"], record.id);
  check(["spki second"], OTHER);
  await store.update((tx) => tx.remove("node", record.id));
  check(["spki current", "spki pending"], undefined);
  holders.close();
  await store.update((tx) => tx.remove("node", OTHER));
  check(["spki second"], OTHER);
  await store.close();
});

Deno.test("KeyHolders keeps a key that moves from place to place in its record", async () => {
  const store = new StoreDisk().open();
  const before = node({ certificates: { pending: certificate("one") } });
  await store.update((tx) => tx.put("node", before.id, before));
  const holders = new KeyHolders(store);
  const after = node({ certificates: certificates("one") });
  await store.update((tx) => tx.put("node", after.id, after));
  assertEquals(holders.holderOf("spki one"), after.id);
  await store.close();
});

Deno.test("KeyHolders remembers the keys of removed nodes, as long as they are", async () => {
  const store = new StoreDisk().open();
  const record = node({ certificates: certificates("one") });
  await store.update((tx) => tx.put("node", record.id, record));
  const early = new KeyHolders(store);
  const removal = { nodeId: record.id, by: "operator", why: "lost", now: 1 };
  await store.update((tx) => removeNode(tx, removal));
  const late = new KeyHolders(store);
  for (const each of [early, late]) {
    assertEquals(each.holderOf("spki one"), record.id);
  }
  await store.update((tx) =>
    forgetRemoved(tx, { nodeId: record.id, redeemed: [] })
  );
  for (const each of [early, late]) {
    assertEquals(each.holderOf("spki one"), undefined);
  }
  await store.close();
});

function certificates(name: string) {
  return { current: certificate(name) };
}
