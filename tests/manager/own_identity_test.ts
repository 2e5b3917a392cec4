import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { DAY, HOUR } from "../../lib/base/time.ts";
import { OwnIdentity } from "../../lib/manager/own_identity.ts";
import type { StoredIdentity } from "../../lib/pki/identity_store.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { CALM, House } from "./house.ts";

/** What a manager finds that starts with these files. */
async function reopen(
  house: House,
  files: StoredIdentity | undefined = house.ownDisk.identity,
) {
  const disk = new SimDisk();
  const identity = disk.open(CALM);
  if (files) await identity.save(files);
  const own = new OwnIdentity({
    ...house,
    identity,
    nodeId: house.manager.id,
  });
  const serving = await own.open();
  await own.seen(serving);
  return { serving, disk, own };
}

function present(house: House): string | undefined {
  return house.manager.certificates.current?.fingerprint;
}

Deno.test("OwnIdentity.open() serves with what lies on disk while it is good", async () => {
  const house = await House.open();
  const { fingerprint } = house.serving.certificate;
  for (const passes of [0, HOUR, 89 * DAY]) {
    await house.clock.advance(passes);
    const { serving } = await reopen(house);
    assertEquals(serving.certificate.fingerprint, fingerprint);
    assertEquals(serving.issuedAt, house.serving.issuedAt);
    assertEquals(serving.credentials, house.serving.credentials);
  }
  assertEquals(await house.audited(), ["cluster-made", "issued", "promoted"]);
});

Deno.test("OwnIdentity.open() makes a new certificate when the old one ended", async () => {
  const house = await House.open();
  const { fingerprint } = house.serving.certificate;
  await house.clock.advance(400 * DAY);
  const { serving, disk } = await reopen(house);
  assertNotEquals(serving.certificate.fingerprint, fingerprint);
  assert(serving.certificate.notAfter > house.clock.now());
  assertEquals(present(house), serving.certificate.fingerprint);
  assertEquals(
    disk.identity?.certificatePem,
    serving.credentials.chainPem,
  );
});

Deno.test("OwnIdentity.open() makes a new certificate for files that are damaged, or another's", async () => {
  const other = await House.open({ label: "other" });
  const foreign = other.ownDisk.identity;
  const damages: ((files: StoredIdentity) => Partial<StoredIdentity>)[] = [
    () => ({ keyPem: "" }),
    () => ({ keyPem: "garbage" }),
    () => ({ certificatePem: "" }),
    ({ certificatePem }) => ({ certificatePem: certificatePem.slice(0, 200) }),
    () => ({ keyPem: foreign?.keyPem ?? "" }),
    () => ({ certificatePem: foreign?.certificatePem ?? "" }),
    () => ({ ...foreign }),
  ];
  for (const damage of damages) {
    const house = await House.open();
    const files = house.ownDisk.identity;
    assert(files);
    const broken = { ...files, ...damage(files) };
    await house.clock.advance(2_000);
    const { serving } = await reopen(house, broken);
    assertNotEquals(
      serving.certificate.fingerprint,
      house.serving.certificate.fingerprint,
    );
    assertEquals(present(house), serving.certificate.fingerprint);
    const warned = house.logged.filter(({ level }) => level === "warn");
    assertEquals(warned.length, 1);
    assert(!JSON.stringify(warned).includes(files.keyPem.slice(40, 80)));
  }
});

Deno.test("OwnIdentity.open() makes a new certificate where there is none", async () => {
  const house = await House.open();
  await house.clock.advance(2_000);
  const disk = new SimDisk();
  const identity = disk.open(CALM);
  const nodeId = house.manager.id;
  const own = new OwnIdentity({ ...house, identity, nodeId });
  const serving = await own.open();
  await own.seen(serving);
  assertEquals(present(house), serving.certificate.fingerprint);
});

Deno.test("OwnIdentity.open() does not serve with a certificate that was replaced", async () => {
  const house = await House.open();
  const old = house.ownDisk.identity;
  await house.clock.advance(2_000);
  await house.renewOwn();
  const next = house.serving;
  // The overlap is for connections that are open; a new start needs better.
  await house.clock.advance(2_000);
  const { serving } = await reopen(house, old);
  assertNotEquals(
    serving.certificate.fingerprint,
    next.certificate.fingerprint,
  );
  assertEquals(present(house), serving.certificate.fingerprint);
});

Deno.test("OwnIdentity.open() takes up what was saved before the process died", async () => {
  const house = await House.open();
  await house.clock.advance(2_000);
  let die = false;
  const identity = house.ownDisk.open({
    before: () => Promise.resolve(),
    after: () => die ? new Promise(() => {}) : Promise.resolve(),
  });
  const nodeId = house.manager.id;
  const own = new OwnIdentity({ ...house, identity, nodeId });
  die = true;
  void own.renew();
  await house.clock.advance(2_000);
  // Saved, and not yet current: the next process presents it first.
  const saved = house.manager.certificates.pending?.fingerprint;
  assert(saved);
  const { serving } = await reopen(house);
  assertEquals(serving.certificate.fingerprint, saved);
  assertEquals(present(house), saved);
});

Deno.test("OwnIdentity.giveUp() has the one before on the disk again", async () => {
  const house = await House.open();
  const before = house.ownDisk.identity;
  await house.clock.advance(2_000);
  await house.own.renew();
  assertNotEquals(house.ownDisk.identity, before);
  await house.own.giveUp();
  assertEquals(house.ownDisk.identity, before);
  assertEquals(present(house), house.serving.certificate.fingerprint);
});

Deno.test("OwnIdentity.seen() of what was given up meanwhile changes nothing", async () => {
  const house = await House.open();
  await house.clock.advance(2_000);
  const first = await house.own.renew();
  await house.clock.advance(2_000);
  await house.renewOwn();
  await house.own.seen(first);
  assertEquals(present(house), house.serving.certificate.fingerprint);
});

Deno.test("OwnIdentity.renew() saves before it uses, and keeps the old one for the overlap", async () => {
  const house = await House.open();
  const before = present(house);
  await house.clock.advance(2_000);
  const states: (string | undefined)[] = [];
  const identity = house.ownDisk.open({
    before: () => Promise.resolve(),
    after: (what) => {
      states.push(`${what}: ${present(house) === before ? "old" : "new"}`);
      return Promise.resolve();
    },
  });
  const nodeId = house.manager.id;
  const own = new OwnIdentity({ ...house, identity, nodeId });
  const serving = await own.renew();
  // Nobody was shown it yet.
  assertEquals(present(house), before);
  await own.seen(serving);
  assertEquals(states, ["save: old", "confirm: new"]);
  const { previous } = house.manager.certificates;
  assertEquals(previous?.fingerprint, before);
  assertEquals(serving.certificate.dnsNames.includes("swarm-manager"), true);
});
