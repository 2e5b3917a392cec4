import { assertEquals } from "@std/assert";
import { DAY } from "../../lib/base/time.ts";
import { findGhosts, removeGhost } from "../../lib/cluster/ghosts.ts";
import type { NodeRecord } from "../../lib/cluster/node.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { certificate, node, NOW } from "./samples.ts";

/** A node that was let in and has not come. */
function joining(id: string): NodeRecord {
  const { firstSeen: _, ...rest } = node({
    id,
    certificates: { pending: certificate(id) },
  });
  return rest;
}

async function storeOf(...nodes: readonly NodeRecord[]) {
  const store = new StoreDisk().open();
  await store.update((tx) => {
    for (const each of nodes) {
      tx.put("node", each.id, each);
      const { pending } = each.certificates;
      if (!pending) continue;
      tx.put("redemption", pending.spki, {
        spki: pending.spki,
        tokenId: "token worker",
        role: "worker",
        nodeId: each.id,
        at: each.createdAt,
      });
    }
  });
  return store;
}

Deno.test("findGhosts() finds who was let in a day ago and never came", async () => {
  const { tokenId: _, ...first } = joining("first manager");
  const store = await storeOf(joining("ghost"), node({ id: "came" }), first);
  const ghosts = (now: number) =>
    store.view((view) => findGhosts(view, now)).map(({ id }) => id);
  assertEquals(ghosts(NOW), []);
  assertEquals(ghosts(NOW + DAY), []);
  assertEquals(ghosts(NOW + DAY + 1), ["ghost"]);
  assertEquals(ghosts(NOW + 1_000 * DAY), ["ghost"]);
  // The clock was set back.
  assertEquals(ghosts(NOW - DAY), []);
});

Deno.test("removeGhost() denies what the ghost was given, and keeps who came meanwhile", async () => {
  const store = await storeOf(joining("ghost"), node({ id: "came" }));
  await store.update((tx) => {
    removeGhost(tx, { nodeId: "ghost", now: NOW });
    removeGhost(tx, { nodeId: "came", now: NOW });
    removeGhost(tx, { nodeId: "nobody", now: NOW });
  });
  const { nodes, denied, redemptions } = store.view((view) => ({
    nodes: [...view.list("node")].map(({ id }) => id),
    denied: [...view.list("denied")],
    redemptions: view.count("redemption"),
  }));
  assertEquals(nodes, ["came"]);
  assertEquals(redemptions, 0);
  const [entry] = denied;
  assertEquals([entry?.serial, entry?.reason], ["serial ghost", "removed"]);
  assertEquals(entry?.until, certificate("ghost").notAfter);
  const [audited] = await store.entries("audit", { after: 0, limit: 9 });
  assertEquals([audited?.action, audited?.node], ["removed", "ghost"]);
  await store.close();
});
