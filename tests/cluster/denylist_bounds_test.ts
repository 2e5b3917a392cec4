import { assert, assertEquals } from "@std/assert";
import { DAY } from "../../lib/base/time.ts";
import { removeNode } from "../../lib/cluster/removal.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { certificate, cluster, node, NOW } from "./samples.ts";

const REMOVALS = 50_000;
const BATCH = 10_000;

Deno.test("removeNode() of 50,000 nodes leaves the cluster's record as it is, and entries of bounded size", async () => {
  const store = new StoreDisk().open();
  await store.update((tx) => tx.put("cluster", CLUSTER, cluster()));
  for (let first = 0; first < REMOVALS; first += BATCH) {
    await store.update((tx) => {
      for (let i = first; i < first + BATCH; i++) {
        const nodeId = `${i}`.padStart(5, "0");
        const current = certificate(nodeId, { notAfter: NOW + DAY });
        tx.put("node", nodeId, node({ id: nodeId, certificates: { current } }));
        removeNode(tx, { nodeId, by: "operator", why: "x", now: NOW });
      }
    });
  }
  assertEquals(
    store.view((view) => view.get("cluster", CLUSTER)),
    cluster(),
  );
  assertEquals(store.view((view) => view.count("denied")), REMOVALS);
  const longest = store.view((view) =>
    [...view.list("denied")].map((each) => JSON.stringify(each).length)
      .reduce((a, b) => Math.max(a, b), 0)
  );
  assert(longest < 300, `${longest} bytes`);
  await store.close();
});
