import { assert, assertEquals } from "@std/assert";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { House } from "./house.ts";

Deno.test("Issuance remembers of a node whether an operator accepted it", async () => {
  const house = await House.open();
  const { id } = await house.addNode();
  assertEquals(house.node(id).approved, undefined);
  await house.store.update((tx) =>
    tx.put("cluster", CLUSTER, { ...house.cluster, requireApproval: true })
  );
  const key = await house.crypto.generateKey();
  const tokenId = house.cluster.tokens.worker.id;
  const waits = await house.ask(key, { tokenId });
  assert("applicant" in waits);
  await house.store.update((tx) => {
    for (const applicant of [...tx.list("applicant")]) {
      tx.put("applicant", applicant.spki, {
        ...applicant,
        verdict: "accepted",
      });
    }
  });
  await house.ask(key, { tokenId });
  assertEquals(house.node(waits.applicant.nodeId).approved, true);
});
