import { assert, assertEquals, assertRejects } from "@std/assert";
import { MINUTE } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { CertificateRecord } from "../../lib/cluster/node.ts";
import { withPending } from "../../lib/cluster/node.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import { spkiHash } from "../../lib/manager/bootstrap.ts";
import { turn } from "../fakes/clock.ts";
import { House } from "./house.ts";

/** A house in which something happens while a certificate is signed. */
async function meanwhile(happens: (house: House) => Promise<void>) {
  const house = await House.open();
  const inner = house.signer;
  const start = () => {
    house.signer = {
      ...inner,
      issue: async (profile, csr) => {
        house.signer = inner;
        await happens(house);
        return await inner.issue(profile, csr);
      },
    };
  };
  return { house, start };
}

async function renewal(house: House, nodeId: string, key: KeyPair) {
  await house.clock.advance(1_000);
  const csr = await createCsr(house.crypto, key);
  return { csr, nodeId, by: nodeId };
}

async function code(work: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => work, SwarmdError)).code;
}

Deno.test("Issuance decides again when the node is removed while it signs", async () => {
  let id = "";
  const { house, start } = await meanwhile((house) => house.remove(id));
  ({ id } = await house.addSeenNode());
  const request = await renewal(house, id, await house.crypto.generateKey());
  start();
  assertEquals(await code(house.issuance.renew(request)), "unknown-node");
  assertEquals(house.nodes.length, 1);
});

Deno.test("Issuance decides again when the node is frozen while it signs", async () => {
  for (const admission of ["suspended", "conflict"] as const) {
    let id = "";
    const { house, start } = await meanwhile((house) =>
      house.change(id, { admission })
    );
    ({ id } = await house.addSeenNode());
    const request = await renewal(house, id, await house.crypto.generateKey());
    const before = await house.audited();
    start();
    assertEquals(await code(house.issuance.renew(request)), admission);
    assertEquals(house.node(id).certificates.pending, undefined);
    assertEquals(await house.audited(), before);
  }
});

Deno.test("Issuance gives no certificate of a role that changed while it signed", async () => {
  let id = "";
  const { house, start } = await meanwhile((house) =>
    house.change(id, { role: "worker" })
  );
  ({ id } = await house.addSeenNode("manager"));
  const request = await renewal(house, id, await house.crypto.generateKey());
  start();
  assertEquals(await code(house.issuance.renew(request)), "too-busy");
  assertEquals(house.node(id).certificates.pending, undefined);
  // Another try finds the new role.
  assertEquals((await house.issuance.renew(request)).role, "worker");
});

Deno.test("Issuance refuses a caller whose certificate is replaced while it signs", async () => {
  let id = "";
  const { house, start } = await meanwhile((house) => house.seen(id));
  const added = await house.addSeenNode();
  ({ id } = added);
  const old = house.node(id).certificates.current?.fingerprint ?? "";
  await house.renew(added);
  await house.clock.advance(MINUTE);
  const request = await renewal(house, id, await house.crypto.generateKey());
  start();
  const asked = house.issuance.renew({ ...request, fingerprint: old });
  assertEquals(await code(asked), "replaced");
  assertEquals(house.node(id).certificates.pending, undefined);
});

Deno.test("Issuance.join() gives what another manager stored for the key meanwhile", async () => {
  let stored: CertificateRecord | undefined;
  const made: { key?: KeyPair } = {};
  let other = "";
  const { house, start } = await meanwhile(async (house) => {
    other = house.newId();
    stored = await storeElsewhere(house, { ...made, id: other });
  });
  const key = made.key = await house.crypto.generateKey();
  start();
  const answer = await house.join(key);
  assertEquals(answer.node, other);
  assertEquals(answer.chain, stored?.chain);
  assertEquals(house.nodes.length, 2);
});

Deno.test("Issuance.join() makes no second node when another manager made one meanwhile", async () => {
  // Its certificate is none that would be given again: the key is its node's.
  const made: { key?: KeyPair } = {};
  let other = "";
  const { house, start } = await meanwhile(async (house) => {
    other = house.newId();
    await storeElsewhere(house, { ...made, id: other, issuerKeyId: "00" });
    await house.clock.advance(1_000);
  });
  const key = made.key = await house.crypto.generateKey();
  start();
  assertEquals(await code(house.join(key)), "too-busy");
  assertEquals(house.nodes.length, 2);
  assertEquals((await house.join(key)).node, other);
  assertEquals(house.nodes.length, 2);
});

/** What another manager writes that issued a certificate for the key. */
async function storeElsewhere(
  house: House,
  made: {
    readonly key?: KeyPair;
    readonly id: string;
    readonly issuerKeyId?: string;
  },
): Promise<CertificateRecord | undefined> {
  assert(made.key);
  const spki = await spkiHash(house.crypto, made.key.spki);
  const sample = await house.addNode();
  const { certificates: { pending }, ...record } = house.node(sample.id);
  assert(pending);
  const issued = {
    ...pending,
    spki,
    fingerprint: "ab".repeat(32),
    ...(made.issuerKeyId && { issuerKeyId: made.issuerKeyId }),
  };
  const node = { ...record, id: made.id, certificates: {} };
  const tokenId = house.cluster.tokens.worker.id;
  const { id: nodeId } = made;
  await house.store.update((tx) => {
    tx.remove("node", sample.id);
    tx.put("node", nodeId, withPending(node, issued));
    const at = issued.issuedAt;
    tx.put("redemption", spki, { spki, tokenId, role: "worker", nodeId, at });
  });
  await turn();
  return issued;
}
