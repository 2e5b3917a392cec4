import { assert, assertEquals, assertRejects } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { hasCode } from "../../lib/base/errors.ts";
import { DAY, SECOND } from "../../lib/base/time.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { giveWord, listWaiting } from "../../lib/cluster/waiting.ts";
import { Recoveries } from "../../lib/manager/recoveries.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import { codeOf, resultOf } from "./caller.ts";
import { House, type TestNode } from "./house.ts";

/** A node whose certificate ended the day before yesterday. */
async function opened(): Promise<{ house: House; node: TestNode }> {
  const house = await House.open();
  const node = await house.addSeenNode();
  await house.clock.advance(92 * DAY);
  return { house, node };
}

/** Says hello as a node, and asks for its next certificate. */
async function recover(house: House, node: TestNode, key: KeyPair) {
  const caller = house.connect(node.chain);
  await caller.hello();
  const csr = toBase64(await createCsr(house.crypto, key));
  return await caller.ask("recover", { csr });
}

async function turnOff(house: House): Promise<void> {
  const record = { ...house.cluster, recoveryWindowMs: 0 };
  await house.store.update((tx) => tx.put("cluster", CLUSTER, record));
}

function waiting(house: House) {
  return house.store.view((view) => listWaiting(view, house.clock.now()));
}

Deno.test("Recoveries gives a node that comes back its next certificate, once for a key", async () => {
  const { house, node } = await opened();
  const key = await house.crypto.generateKey();
  const first = resultOf(await recover(house, node, key));
  assertEquals(first["node"], node.id);
  const again = resultOf(await recover(house, node, key));
  assertEquals(again["chain"], first["chain"]);
  const record = house.node(node.id);
  assertEquals(record.recoveries, [house.clock.now()]);
  assert(record.certificates.pending);
  const actions = await house.audited();
  assertEquals(actions.filter((each) => each === "recovered").length, 1);
  const other = await house.crypto.generateKey();
  assertEquals(codeOf(await recover(house, node, other)), "too-busy");
  await house.clock.advance(DAY);
  assert(resultOf(await recover(house, node, other))["chain"]);
  assertEquals(house.node(node.id).recoveries?.length, 2);
});

Deno.test("Recoveries lets a node wait outside the bounds, and writes that once", async () => {
  const { house, node } = await opened();
  await turnOff(house);
  const key = await house.crypto.generateKey();
  for (let i = 0; i < 3; i++) {
    const answer = resultOf(await recover(house, node, key));
    assertEquals([answer["pending"], answer["node"]], [true, node.id]);
  }
  const [applicant, ...others] = waiting(house);
  assert(applicant);
  assertEquals(others, []);
  assertEquals([applicant.kind, applicant.reason], ["recover", "expired"]);
  const actions = await house.audited();
  assertEquals(actions.filter((each) => each === "waiting").length, 1);
  const deed = { by: "operator", now: house.clock.now() };
  await house.store.update((tx) =>
    giveWord(tx, { ...deed, applicant, word: "accepted" })
  );
  assert(resultOf(await recover(house, node, key))["chain"]);
  assertEquals(waiting(house), []);
  // The answer was lost: no second approval is needed.
  assert(resultOf(await recover(house, node, key))["chain"]);
});

Deno.test("Recoveries lets few keys wait by one certificate, and the node's others besides", async () => {
  const house = await House.open();
  const copied = await house.addSeenNode();
  const machine = await house.renew(copied);
  await house.seen(machine.id);
  await house.clock.advance(92 * DAY);
  await turnOff(house);
  const ask = async (asker: TestNode) => {
    const key = await house.crypto.generateKey();
    return await recover(house, asker, key);
  };
  for (let i = 0; i < 4; i++) assert(resultOf(await ask(copied))["pending"]);
  assertEquals(codeOf(await ask(copied)), "too-busy");
  assert(resultOf(await ask(machine))["pending"]);
  const deed = { by: "operator", now: house.clock.now() };
  const [first] = waiting(house);
  assert(first);
  await house.store.update((tx) =>
    giveWord(tx, { ...deed, applicant: first, word: "rejected" })
  );
  // What was rejected takes no place.
  const asker = first.reason === "replaced" ? copied : machine;
  assert(resultOf(await ask(asker))["pending"]);
  assertEquals(codeOf(await ask(copied)), "too-busy");
  await house.clock.advance(DAY + SECOND);
  assert(resultOf(await ask(copied))["pending"]);
});

Deno.test("Recoveries decides again after signing: a node removed meanwhile gets nothing", async () => {
  const { house, node } = await opened();
  const key = await house.crypto.generateKey();
  const { signer } = house;
  house.signer = {
    ...signer,
    issuer: signer.issuer,
    intermediates: signer.intermediates,
    issue: async (profile, csr) => {
      const der = await signer.issue(profile, csr);
      await house.remove(node.id);
      return der;
    },
  };
  const peer = await house.gatekeeper.identify({
    ...{ remote: { host: "", port: 1 }, tlsVersion: "TLSv1.3" },
    ...{ resumed: false, presented: node.chain },
  });
  assert(peer.kind === "recovering");
  const csr = await createCsr(house.crypto, key);
  const error = await assertRejects(() =>
    new Recoveries(house).recover({ csr, peer, by: "" })
  );
  assert(hasCode(error, "unknown-node"));
  assert(!(await house.audited()).includes("recovered"));
});
