import { assertEquals } from "@std/assert";
import { Overlaps } from "../../lib/cluster/overlaps.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { certificate, node, previous } from "./samples.ts";

Deno.test("Overlaps.over() names who has a replaced certificate whose overlap is over", async () => {
  const store = new StoreDisk().open();
  const current = certificate("current");
  const put = (id: string, until?: number) =>
    store.update((tx) => {
      const before = until !== undefined &&
        { previous: previous("old", until) };
      tx.put("node", id, node({ id, certificates: { current, ...before } }));
    });
  await put("a", 10);
  await put("b");
  const overlaps = new Overlaps(store);
  await put("c", 20);
  assertEquals(overlaps.over(9), []);
  assertEquals(overlaps.over(10), ["a"]);
  assertEquals(overlaps.over(20), ["a", "c"]);
  await put("a", 30);
  await store.update((tx) => tx.remove("node", "c"));
  assertEquals(overlaps.over(29), []);
  await put("a");
  assertEquals(overlaps.over(30), []);
  overlaps.close();
  await put("a", 1);
  assertEquals(overlaps.over(30), []);
  await store.close();
});
