import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { SerialIdentity } from "../../lib/worker/serial_identity.ts";
import { settle } from "../fakes/clock.ts";
import { diskFull, SimDisk } from "../sim/sim_disk.ts";

const PEMS = { rootsPem: "r", certificatePem: "c", keyPem: "k" };

/** A store whose writes wait for a word, and what has begun and ended there. */
function gated() {
  const log: string[] = [];
  const gates: (() => void)[] = [];
  const disk = new SimDisk().open({
    before: (what) => {
      log.push(`${what} begins`);
      return new Promise((resolve) => gates.push(resolve));
    },
    after: (what) => {
      log.push(`${what} ends`);
      return Promise.resolve();
    },
  });
  return { store: new SerialIdentity(disk), log, gates };
}

Deno.test("SerialIdentity carries calls out one after the other, in their order", async () => {
  const { store, log, gates } = gated();
  const all = [store.save(PEMS), store.confirm(), store.dropStagedKey()];
  const loaded = store.load();
  for (let i = 0; i < all.length; i++) {
    await settle();
    assertEquals(log.length, 2 * i + 1);
    gates.shift()?.();
  }
  await Promise.all(all);
  assertEquals(await loaded, PEMS);
  const ended = log.filter((line) => line.endsWith("ends"));
  assertEquals(ended, ["save ends", "confirm ends", "unstage ends"]);
});

Deno.test("SerialIdentity writes the state beside a key, and in its own order", async () => {
  const { store, log, gates } = gated();
  const all = [store.save(PEMS), store.saveState(1), store.saveState(2)];
  await settle();
  assertEquals(log, ["save begins", "state begins"]);
  gates[1]?.();
  await settle();
  assertEquals(log.slice(2), ["state ends", "state begins"]);
  gates[2]?.();
  gates[0]?.();
  await Promise.all(all);
  assertEquals(await store.loadState(), 2);
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
