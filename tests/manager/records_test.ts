import { assertEquals, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  mustCluster,
  mustNode,
  mustOwnNode,
} from "../../lib/manager/records.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { cluster, node } from "../cluster/samples.ts";
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

Deno.test("mustOwnNode() takes no other manager for the own one when that is gone or none", async () => {
  const own = { ownNode: "own" };
  const others = node({ id: "other", role: "manager", createdAt: 0 });
  for (const role of ["manager", "worker", undefined] as const) {
    const store = new StoreDisk().open();
    await store.update((tx) => {
      tx.put("cluster", CLUSTER, cluster(own));
      tx.put("node", "other", others);
      if (role) tx.put("node", "own", node({ id: "own", role }));
    });
    const look = () => store.view(mustOwnNode);
    if (role === "manager") assertEquals(look().id, "own");
    else assertEquals(assertThrows(look, SwarmdError).code, "damaged-state");
    await store.close();
  }
});
