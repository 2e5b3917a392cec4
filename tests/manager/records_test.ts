import { assertEquals, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { mustCluster, mustNode } from "../../lib/manager/records.ts";
import { StoreDisk } from "../fakes/store_disk.ts";

Deno.test("W27: mustCluster() and mustNode() name what is not in the store, before anybody uses it", async () => {
  const store = new StoreDisk().open();
  const code = (look: () => unknown) => assertThrows(look, SwarmdError).code;
  assertEquals(code(() => store.view(mustCluster)), "not-initialised");
  assertEquals(
    code(() => store.view((view) => mustNode(view, "x"))),
    "unknown-node",
  );
  await store.close();
});
