import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { SerialIdentity } from "../../lib/worker/serial_identity.ts";
import { settle } from "../fakes/clock.ts";
import { diskFull, SimDisk } from "../sim/sim_disk.ts";

Deno.test("SerialIdentity carries calls out one after the other, in their order", async () => {
  const log: string[] = [];
  const gates: (() => void)[] = [];
  const store = new SerialIdentity(
    new SimDisk().open({
      before: (what) => {
        log.push(`${what} begins`);
        return new Promise((resolve) => gates.push(resolve));
      },
      after: (what) => {
        log.push(`${what} ends`);
        return Promise.resolve();
      },
    }),
  );
  const pem = { rootsPem: "r", certificatePem: "c", keyPem: "k" };
  const all = [
    store.save(pem),
    store.confirm(),
    store.saveState({ a: 1 }),
    store.dropStagedKey(),
  ];
  const loaded = store.load();
  for (let i = 0; i < 4; i++) {
    await settle();
    assertEquals(log.length, 2 * i + 1);
    gates.shift()?.();
  }
  await Promise.all(all);
  assertEquals(await loaded, pem);
  assertEquals(
    log.filter((line) => line.endsWith("ends")).map((line) =>
      line.split(" ")[0]
    ),
    ["save", "confirm", "state", "unstage"],
  );
});

Deno.test("SerialIdentity goes on after a failure, which its caller is told", async () => {
  let full = true;
  const store = new SerialIdentity(
    new SimDisk().open({
      before: () => full ? Promise.reject(diskFull()) : Promise.resolve(),
      after: () => Promise.resolve(),
    }),
  );
  const failing = assertRejects(() => store.saveState(1), SwarmdError);
  const next = store.loadState();
  await failing;
  assertEquals(await next, undefined);
  full = false;
  await store.saveState(2);
  assertEquals(await store.loadState(), 2);
});
