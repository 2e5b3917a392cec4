import { assertEquals } from "@std/assert";
import { compactDenylist, deny } from "../../lib/cluster/denylist.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { NODE_ID, NOW } from "./samples.ts";

function superseded(id: string, notAfter: number) {
  const [issuerKeyId = "", serial = ""] = id.split(".");
  const reason = "superseded" as const;
  return { serial, issuerKeyId, notAfter, nodeId: NODE_ID, reason };
}

Deno.test("deny() keys certificates by issuer and serial", async () => {
  const store = new StoreDisk().open();
  await store.update((tx) => {
    deny(tx, superseded("aa.01", NOW));
    deny(tx, superseded("bb.01", NOW));
    deny(tx, superseded("aa.01", NOW));
  });
  const denied = store.view((view) => [...view.list("denied")]);
  assertEquals(denied.map((each) => each.issuerKeyId), ["aa", "bb"]);
  assertEquals(denied[0], {
    issuerKeyId: "aa",
    serial: "01",
    nodeId: NODE_ID,
    reason: "superseded",
    until: NOW,
  });
  await store.close();
});

Deno.test("compactDenylist() forgets exactly what has ended by itself", async () => {
  const store = new StoreDisk().open();
  await store.update((tx) => {
    deny(tx, superseded("aa.01", NOW - 1));
    deny(tx, superseded("aa.02", NOW));
    deny(tx, superseded("aa.03", NOW + 1));
  });
  const removed = await store.update((tx) => compactDenylist(tx, NOW));
  const left = store.view((view) => [...view.list("denied")]);
  assertEquals(removed, 2);
  assertEquals(left.map((each) => each.serial), ["03"]);
  assertEquals(await store.update((tx) => compactDenylist(tx, NOW)), 0);
  await store.close();
});
