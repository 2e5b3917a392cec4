import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { RenewalRig } from "./renewal_rig.ts";

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
