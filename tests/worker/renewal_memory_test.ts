import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { MINUTE } from "../../lib/base/time.ts";
import { CALM } from "../manager/house.ts";
import { diskFull } from "../sim/sim_disk.ts";
import { RenewalRig } from "./renewal_rig.ts";

/* What is written beside the use of a new identity. */

Deno.test("Renewal is done although the moment of the next one could not be written", async () => {
  await using rig = await RenewalRig.start();
  rig.remembers = () => Promise.reject(diskFull());
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  assertEquals(rig.renewed, 1);
  assertEquals(rig.renewal.view.failures, 0);
  assertEquals(rig.renewal.view.dueAt, rig.remembered[0]);
  const staged = await rig.device.disk.open(CALM).loadStagedKey();
  assertEquals(staged, undefined);
  const told = rig.device.logged.filter(({ level }) => level === "error");
  assertEquals(told.length, 1);
  assert(told[0]?.message.startsWith("Cannot write down"));
});

Deno.test("Renewal tells that the moment could not be written, also of what was given up", async () => {
  await using rig = await RenewalRig.start();
  rig.confirms = false;
  rig.remembers = () => Promise.reject(diskFull());
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  const told = rig.device.logged.filter(({ level }) => level === "error");
  assertEquals(told.length, 1);
});

Deno.test("Renewal uses the new identity while the moment is still being written", async () => {
  await using rig = await RenewalRig.start();
  const writing = Promise.withResolvers<void>();
  rig.remembers = () => writing.promise;
  const before = rig.held;
  rig.renewal.renewNow();
  await rig.pass(MINUTE);
  assertNotEquals(rig.held, before);
  assertEquals([rig.moves.length, rig.renewed], [1, 0]);
  writing.resolve();
  await rig.pass(1);
  assertEquals(rig.renewed, 1);
});

Deno.test("Renewal that is told to end while it saves ends, and the disk has the new identity", async () => {
  const saving = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const rig = await RenewalRig.open({
    disk: {
      before: () => Promise.resolve(),
      after: async (what) => {
        if (what !== "save") return;
        begun.resolve();
        await saving.promise;
      },
    },
  });
  await rig.run();
  const before = rig.held;
  rig.renewal.renewNow();
  await rig.pass(1);
  await begun.promise;
  const stopped = rig.stop();
  saving.resolve();
  assert(await stopped instanceof Error);
  assertEquals([rig.held, rig.moves.length], [before, 0]);
  const { identities } = rig.device.disk.image.content;
  assertNotEquals(identities.at(-1)?.keyPem, before.identity.keyPkcs8Pem);
});
