import { assertEquals, assertMatch } from "@std/assert";
import { MINUTE, SECOND } from "../../lib/base/time.ts";
import type { RegisterParams } from "../../lib/rpc/schemas.ts";
import { Registration } from "../../lib/worker/registration.ts";
import { turn } from "../fakes/clock.ts";
import { CALM, House } from "../manager/house.ts";
import { diskFull } from "../sim/sim_disk.ts";
import { Device } from "./device.ts";
import { Fleet } from "./fleet.ts";

/** A registration whose session is the test. */
async function openRegistration() {
  const device = new Device(await House.open());
  const held = await device.join();
  const told: (string | undefined)[] = [];
  const rig = { connected: true };
  const registration = new Registration({
    ...device.ports(),
    tell: (params: RegisterParams) => {
      if (rig.connected) told.push(params.problem);
    },
  });
  return { device, clock: device.house.clock, held, told, registration, rig };
}

Deno.test("Registration tells a new session, and a new identity, once", async () => {
  const { device, held, told, registration } = await openRegistration();
  registration.established(held, true);
  registration.established(held, false);
  assertEquals(told, [undefined]);
  const next = { ...await device.join() };
  registration.established(next, false);
  assertEquals(told, [undefined, undefined]);
});

Deno.test("Registration tells a problem when it comes, and when it is gone", async () => {
  const { held, told, registration } = await openRegistration();
  registration.troubled(undefined);
  assertEquals(told, []);
  registration.established(held, true);
  registration.troubled(new Error("disk full"));
  registration.troubled(new Error("disk full"));
  registration.troubled(undefined);
  registration.troubled(undefined);
  assertEquals(told, [undefined, "disk full", undefined]);
});

Deno.test("Registration tells that a problem is another one once a minute", async () => {
  const { clock, held, told, registration } = await openRegistration();
  registration.established(held, true);
  registration.troubled(new Error("cut off"));
  await clock.advance(10 * SECOND);
  registration.troubled(new Error("disk full"));
  await clock.advance(MINUTE);
  registration.troubled(new Error("key refused"));
  assertEquals(told, [undefined, "cut off", "key refused"]);
});

Deno.test("Registration tells a new session of the problem that there is", async () => {
  const { held, told, registration, rig } = await openRegistration();
  registration.established(held, true);
  rig.connected = false;
  registration.troubled(new Error("cut off"));
  rig.connected = true;
  registration.established(held, true);
  assertEquals(told, [undefined, "cut off"]);
});

Deno.test("Worker whose renewal fails says so, and its manager names the reason until it is gone", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("one");
  const disk = { ...CALM };
  const { id } = await fleet.join(device, disk);
  const { manager } = fleet.running;
  disk.before = () => Promise.reject(diskFull());
  await manager.rotation.start({});
  await fleet.pass(2 * SECOND);
  const [straggler] = (await manager.rotation.progress())?.stragglers ?? [];
  assertEquals(straggler?.node, id);
  assertMatch(straggler?.reason ?? "", /^renewal failing: .*disk/i);
  const shown = await fleet.running.get(`/v1/nodes/${id}`);
  const { problem } = shown.body as Record<string, string>;
  assertEquals(`renewal failing: ${problem}`, straggler?.reason);
  disk.before = CALM.before;
  await fleet.pass(10 * MINUTE);
  await turn();
  assertEquals(await manager.rotation.progress(), undefined);
  assertEquals(manager.desk.sessions.of(id)?.problem, undefined);
});

Deno.test("Worker tells its problem when a renewal fails, and no longer once one did not", async () => {
  await using fleet = await Fleet.open();
  const disk = { ...CALM };
  const { id } = await fleet.join(fleet.device("one"), disk);
  const { sessions } = fleet.running.manager.desk;
  await fleet.pass(2 * MINUTE);
  disk.before = () => Promise.reject(diskFull());
  sessions.push(id, "node.renew-now", { reason: "a test" });
  await fleet.pass(SECOND);
  assertEquals(
    sessions.of(id)?.problem,
    "Cannot write: the simulated disk is full",
  );
  disk.before = CALM.before;
  await fleet.pass(10 * MINUTE);
  assertEquals(sessions.of(id)?.problem, undefined);
});
