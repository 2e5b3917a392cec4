import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DAY, MINUTE } from "../../lib/base/time.ts";
import {
  describeError,
  type ErrorCode,
  SwarmdError,
} from "../../lib/base/errors.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { turn } from "../fakes/clock.ts";
import { House, NOW } from "./house.ts";

/** A house whose signer counts, and waits when told. */
async function counting() {
  const house = await House.open();
  const inner = house.signer;
  const state = { signed: 0, gate: Promise.resolve() };
  house.signer = {
    ...inner,
    issue: async (profile, csr) => {
      state.signed++;
      await state.gate;
      return await inner.issue(profile, csr);
    },
  };
  return { house, state };
}

async function assertRefused(
  work: Promise<unknown>,
  code: ErrorCode,
): Promise<SwarmdError> {
  const error = await assertRejects(() => work, SwarmdError);
  assertEquals(error.code, code, error.message);
  return error;
}

Deno.test("Issuance.join() makes a node that nobody has seen yet", async () => {
  const house = await House.open();
  const { id } = await house.addNode();
  const record = house.node(id);
  assertEquals(record.role, "worker");
  assertEquals(record.firstSeen, undefined);
  assertEquals(record.certificates.current, undefined);
  assertEquals(record.certificates.pending?.issuedAt, NOW);
  assertEquals(record.certificates.pending?.notAfter, NOW + 90 * DAY);
  const actions = await house.audited();
  // The manager's own certificate, then the worker's.
  assertEquals(actions, ["cluster-made", "issued", "promoted", "issued"]);
});

Deno.test("Issuance.join() answers the same key with the same certificate", async () => {
  const { house, state } = await counting();
  const key = await house.crypto.generateKey();
  const first = await house.join(key);
  for (let i = 0; i < 5; i++) {
    await house.clock.advance(DAY);
    const again = await house.join(key);
    assertEquals([again.node, again.chain], [first.node, first.chain]);
    assertEquals(again.now, house.clock.now());
  }
  assertEquals(state.signed, 1);
  assertEquals(house.nodes.length, 2);
});

Deno.test("Issuance.join() gives every key a node of its own", async () => {
  const house = await House.open();
  const nodes = await Promise.all(
    Array.from({ length: 20 }, () => house.addNode()),
  );
  assertEquals(new Set(nodes.map(({ id }) => id)).size, 20);
  const serials = house.nodes.map((node) =>
    node.certificates.pending?.serial ?? node.certificates.current?.serial
  );
  assertEquals(new Set(serials).size, 21);
});

Deno.test("Issuance.join() signs once for requests of one key that come together", async () => {
  const { house, state } = await counting();
  const key = await house.crypto.generateKey();
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  const all = Array.from({ length: 10 }, () => house.join(key));
  gate.resolve();
  const answers = await Promise.all(all);
  assertEquals(state.signed, 1);
  assertEquals(new Set(answers.map(({ node }) => node)).size, 1);
  assertEquals(new Set(answers.map(({ chain }) => chain[0])).size, 1);
});

Deno.test("Issuance goes on after a request of the same key that failed", async () => {
  const { house, state } = await counting();
  const key = await house.crypto.generateKey();
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  const failing = house.join(key);
  const waiting = house.join(key);
  await turn();
  gate.reject(new SwarmdError("signer-unavailable", "Cannot sign: away"));
  state.gate = Promise.resolve();
  await assertRefused(failing, "signer-unavailable");
  await waiting;
  assertEquals(state.signed, 2);
  assertEquals(house.nodes.length, 2);
});

Deno.test("Issuance tells peers nothing that an authority said", async () => {
  for (const code of ["signer-unavailable", "csr-refused"] as const) {
    const { house, state } = await counting();
    const gate = Promise.withResolvers<void>();
    state.gate = gate.promise;
    const failing = house.join(await house.crypto.generateKey());
    await turn();
    gate.reject(new SwarmdError(code, "Cannot sign: details"));
    const error = await assertRefused(failing, code);
    assertMatch(error.message, /^Cannot issue a certificate: the authority /);
    assert(!error.message.includes("details"));
    assert(describeError(error).includes("details"));
  }
});

Deno.test("Issuance.join() refuses by what is known of the key", async () => {
  const house = await House.open();
  const key = await house.crypto.generateKey();
  const { node } = await house.join(key);
  await assertRefused(house.join(key, "manager"), "key-in-use");
  await house.seen(node);
  await house.join(key);
  await house.clock.advance(10 * MINUTE + 1);
  const late = await assertRefused(house.join(key), "already-joined");
  assertEquals(late.verdict, "stop");
  await house.remove(node);
  await assertRefused(house.join(key), "removed");
  // Removal gives no use back, and nothing was made of it all.
  assertEquals(house.nodes.length, 1);
});

Deno.test("Issuance.join() makes no second node with a key from a renewal", async () => {
  const house = await House.open();
  const added = await house.addSeenNode();
  const renewed = await house.renew(added);
  await assertRefused(house.join(renewed.key), "key-in-use");
  await house.seen(added.id);
  await assertRefused(house.join(renewed.key), "key-in-use");
  // Nor does the key of the join take the node back.
  await assertRefused(house.join(added.key), "already-joined");
  assertEquals(house.nodes.length, 2);
});

Deno.test("Issuance.renew() replaces what was never used, and leaves the current one", async () => {
  const house = await House.open();
  const added = await house.addSeenNode();
  const before = house.node(added.id).certificates.current;
  await house.renew(added);
  const second = await house.renew(added);
  const { current, pending } = house.node(added.id).certificates;
  assertEquals(current, before);
  assertEquals(pending?.chain?.length, 1);
  assertEquals(second.id, added.id);
});

Deno.test("Issuance.renew() refuses another node's key", async () => {
  const house = await House.open();
  const [one, other] = [await house.addSeenNode(), await house.addSeenNode()];
  const csr = await createCsr(house.crypto, other.key);
  const request = { csr, nodeId: one.id, by: one.id };
  await house.clock.advance(1_000);
  await assertRefused(house.issuance.renew(request), "key-in-use");
});

Deno.test("Issuance.renew() refuses a caller whose certificate was replaced", async () => {
  const house = await House.open();
  const added = await house.addSeenNode();
  const old = house.node(added.id).certificates.current?.fingerprint ?? "";
  await house.renew(added);
  await house.seen(added.id);
  await house.clock.advance(1_000);
  const key = await house.crypto.generateKey();
  const csr = await createCsr(house.crypto, key);
  const request = { csr, nodeId: added.id, by: added.id, fingerprint: old };
  const error = await assertRefused(
    house.issuance.renew(request),
    "replaced",
  );
  assertEquals(error.verdict, "retry");
  assertEquals(house.node(added.id).certificates.pending, undefined);
});

Deno.test("Issuance believes nothing of a request but a key that is held", async () => {
  const house = await House.open();
  const key = await house.crypto.generateKey();
  const other = await house.crypto.generateKey();
  const stolen = { privateKey: key.privateKey, spki: other.spki };
  const bad = [
    new Uint8Array(),
    new Uint8Array(100),
    await createCsr(house.crypto, stolen),
  ];
  for (const csr of bad) {
    const tokenId = house.cluster.tokens.worker.id;
    const description = {
      hostname: "h",
      os: "o",
      arch: "a",
      version: "1",
    };
    const request = { csr, tokenId, description, by: "x" };
    await assertRefused(house.issuance.join(request), "csr-refused");
  }
  assertEquals(house.nodes.length, 1);
});

Deno.test("Issuance leaves nothing of a certificate that the disk did not take", async () => {
  const house = await House.open();
  const { issued } = house.issuance;
  const key = await house.crypto.generateKey();
  house.disk.full = true;
  await assertRefused(house.join(key), "disk");
  assertEquals(house.nodes.length, 1);
  assertEquals(house.issuance.issued, issued);
  assertEquals(await house.audited(), ["cluster-made", "issued", "promoted"]);
  house.disk.full = false;
  const { node } = await house.join(key);
  assert(house.node(node).certificates.pending);
  assertEquals(house.issuance.issued, issued + 1);
});

Deno.test("Issuance counts what it issued, not what it gave again", async () => {
  const house = await House.open();
  const before = house.issuance.issued;
  const key = await house.crypto.generateKey();
  await house.join(key);
  await house.join(key);
  assertEquals(house.issuance.issued, before + 1);
});

Deno.test("Issuance never logs a secret", async () => {
  const house = await House.open();
  await house.addNode();
  const text = JSON.stringify(house.logged);
  assert(!text.includes(await house.tokens.show("worker")));
  assert(text.includes("Certificate issued"));
});

Deno.test("Issuance.renew() signs once for a node that asks with many keys at once", async () => {
  const { house, state } = await counting();
  const { id: nodeId } = await house.addSeenNode();
  const { fingerprint } = house.node(nodeId).certificates.current ?? {};
  assert(fingerprint);
  const asks = { nodeId, fingerprint, by: nodeId };
  await house.clock.advance(DAY);
  state.signed = 0;
  const csrs = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const key = await house.crypto.generateKey();
      return await createCsr(house.crypto, key);
    }),
  );
  const made = await Promise.allSettled(
    csrs.map((csr) => house.issuance.renew({ ...asks, csr })),
  );
  const done = made.filter(({ status }) => status === "fulfilled");
  assertEquals([state.signed, done.length], [1, 1]);
});
