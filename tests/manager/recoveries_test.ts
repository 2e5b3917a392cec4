import { assert, assertEquals, assertRejects } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { hasCode } from "../../lib/base/errors.ts";
import { DAY, SECOND } from "../../lib/base/time.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { giveWord, listWaiting } from "../../lib/cluster/waiting.ts";
import { Recoveries } from "../../lib/manager/recoveries.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import { turn } from "../fakes/clock.ts";
import { type Caller, codeOf, resultOf } from "./caller.ts";
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
  const { answer } = await ask(house, node, key);
  return answer;
}

/** The same, and the connection on which an answer may come later. */
async function ask(house: House, node: TestNode, key: KeyPair) {
  const caller = house.connect(node.chain);
  await caller.hello();
  const csr = toBase64(await createCsr(house.crypto, key));
  return { caller, answer: await caller.ask("recover", { csr }) };
}

/** As whom it waits for an operator, if it does. */
function waitsAs({ caller }: { readonly caller: Caller }): unknown {
  return caller.pushes("pending")[0]?.["node"];
}

/** By the window in which nodes come back by themselves. */
async function turnOff(house: House, recoveryWindowMs = 0): Promise<void> {
  const record = { ...house.cluster, recoveryWindowMs };
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
  const asked = [];
  for (let i = 0; i < 3; i++) {
    const one = await ask(house, node, key);
    assertEquals(waitsAs(one), node.id);
    asked.push(one);
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
  await turn();
  // The newest connection has the answer; those before were closed.
  const answers = asked.map(({ caller }) => caller.answerTo(2));
  assertEquals(answers.slice(0, 2), [undefined, undefined]);
  const { chain } = resultOf(answers[2]);
  assert(chain);
  assertEquals(waiting(house), []);
  // The answer was lost: no second approval is needed.
  assertEquals(resultOf(await recover(house, node, key))["chain"], chain);
});

Deno.test("Recoveries answers who waits when its node is removed, suspended, or the bounds are widened", async () => {
  for (const what of ["removed", "suspended", "recovered"] as const) {
    const { house, node } = await opened();
    await turnOff(house);
    const key = await house.crypto.generateKey();
    const one = await ask(house, node, key);
    assertEquals(waitsAs(one), node.id);
    if (what === "removed") await house.remove(node.id);
    else if (what === "suspended") {
      await house.change(node.id, { admission: "suspended" });
    } else await turnOff(house, 365 * DAY);
    await turn();
    const answer = one.caller.answerTo(2);
    assertEquals(codeOf(answer) ?? "recovered", what);
    assertEquals(waiting(house).length, what === "suspended" ? 1 : 0, what);
    assert(what !== "recovered" || resultOf(answer)["chain"]);
  }
});

Deno.test("Recoveries lets few keys wait by one certificate, and the node's others besides", async () => {
  const house = await House.open();
  const copied = await house.addSeenNode();
  const machine = await house.renew(copied);
  await house.seen(machine.id);
  await house.clock.advance(92 * DAY);
  await turnOff(house);
  const waits = async (asker: TestNode) => {
    const one = await ask(house, asker, await house.crypto.generateKey());
    return waitsAs(one) === asker.id || codeOf(one.answer);
  };
  for (let i = 0; i < 4; i++) assertEquals(await waits(copied), true);
  assertEquals(await waits(copied), "too-busy");
  assertEquals(await waits(machine), true);
  const deed = { by: "operator", now: house.clock.now() };
  const [first] = waiting(house);
  assert(first);
  await house.store.update((tx) =>
    giveWord(tx, { ...deed, applicant: first, word: "rejected" })
  );
  // What was rejected takes no place.
  const asker = first.reason === "replaced" ? copied : machine;
  assertEquals(await waits(asker), true);
  assertEquals(await waits(copied), "too-busy");
  await house.clock.advance(DAY + SECOND);
  assertEquals(await waits(copied), true);
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
  assert(hasCode(error, "removed"));
  assert(!(await house.audited()).includes("recovered"));
});
