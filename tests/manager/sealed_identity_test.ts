import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { SealedIdentity } from "../../lib/manager/sealed_identity.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { realCrypto } from "../pki/material.ts";

const CALM = {
  before: () => Promise.resolve(),
  after: () => Promise.resolve(),
};
const PLAIN = {
  rootsPem: "roots",
  certificatePem: "certificate",
  keyPem: encodePem("PRIVATE KEY", new Uint8Array(138).fill(7)),
};

function rig({ locked = true } = {}) {
  const disk = new SimDisk();
  const ring = new Map<number, Bytes>([[4, new Uint8Array(32).fill(4)]]);
  const state = { locked };
  const open = () =>
    new SealedIdentity({
      identity: disk.open(CALM),
      crypto: realCrypto,
      ring,
      locked: () => state.locked,
    });
  return { disk, ring, state, open, identity: open() };
}

Deno.test("SealedIdentity seals the key on the disk, and whoever uses it sees an ordinary one", async () => {
  const { disk, identity } = rig();
  await identity.save(PLAIN);
  const { keyPem = "", ...rest } = disk.identity ?? {};
  assert(
    keyPem.startsWith("-----BEGIN SWARMD SEALED PRIVATE KEY-----\nAAAAB"),
  );
  assertEquals(rest, { rootsPem: "roots", certificatePem: "certificate" });
  assertEquals(await identity.load(), PLAIN);
});

Deno.test("SealedIdentity leaves the files alone without autolock", async () => {
  const { disk, identity } = rig({ locked: false });
  assertEquals(await identity.load(), undefined);
  await identity.save(PLAIN);
  assertEquals([disk.identity, await identity.load()], [PLAIN, PLAIN]);
});

Deno.test("SealedIdentity.reseal() follows autolock and the newest key, and deletes what was before", async () => {
  const { disk, identity, ring, state } = rig({ locked: false });
  await identity.reseal();
  await identity.save(PLAIN);
  state.locked = true;
  await identity.reseal();
  const first = disk.identity?.keyPem ?? "";
  assert(first.includes("SEALED"));
  await identity.reseal();
  assertEquals(disk.identity?.keyPem, first);
  ring.set(5, new Uint8Array(32).fill(5));
  await identity.reseal();
  assert(disk.identity?.keyPem !== first);
  ring.delete(4);
  assertEquals(await identity.load(), PLAIN);
  assertEquals(disk.image.content.identities.length, 1);
  state.locked = false;
  await identity.reseal();
  assertEquals(disk.image.content.identities, [PLAIN]);
});

Deno.test("SealedIdentity refuses a key that it cannot open", async () => {
  const { disk, identity, ring, open } = rig();
  await identity.save(PLAIN);
  const { keyPem = "" } = disk.identity ?? {};
  const damages = [
    keyPem.replace("AAAAB", "AAAAC"),
    keyPem.replace(/\n.{8}/, "\n"),
    encodePem("SWARMD SEALED PRIVATE KEY", new Uint8Array(2)),
    encodePem("SWARMD SEALED PRIVATE KEY", new Uint8Array([0, 0, 0, 4])),
  ];
  for (const damaged of damages) {
    await disk.open(CALM).save({ ...PLAIN, keyPem: damaged });
    const error = await assertRejects(() => open().load(), SwarmdError);
    assertEquals(error.code, "damaged-state");
  }
  ring.set(4, new Uint8Array(32));
  await disk.open(CALM).save({ ...PLAIN, keyPem });
  await assertRejects(() => identity.load(), SwarmdError);
});

Deno.test("SealedIdentity does one thing after the other, and the next after a failure", async () => {
  const { disk, identity } = rig();
  const bad = { ...PLAIN, keyPem: "none" };
  const ends = await Promise.allSettled([
    identity.save(PLAIN),
    identity.save(bad),
    identity.reseal(),
    identity.load(),
  ]);
  assertEquals(ends.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  assertEquals(disk.image.content.identities.length, 1);
});
