import { assert, assertEquals, assertFalse } from "@std/assert";
import { HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { Fleet } from "./fleet.ts";

/** Ends every connection, and lets no other come about. */
function unreachable(device: ReturnType<Fleet["device"]>): void {
  device.net.down = true;
  device.net.pipes.forEach((pipe) => pipe.cut());
}

Deno.test("W6: a worker that no manager answers at 85 % of its certificate's life tries at a bounded pace", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: HOUR });
  const device = fleet.device("one");
  const { worker } = await fleet.join(device);
  await fleet.pass(MINUTE);
  unreachable(device);
  // From before its window to 85 % of the life
  await fleet.pass(50 * MINUTE);
  assertFalse(worker.uplink.connected);
  const dials = device.net.dialled.length;
  const { failures } = worker.renewal;
  await fleet.pass(5 * MINUTE);
  const dialled = device.net.dialled.length - dials;
  assert(dialled > 5 * 60 / 4 && dialled < 5 * 60, `${dialled} dials`);
  const failed = worker.renewal.failures - failures;
  assert(failed <= 5 * 2, `${failed} renewals failed`);
  // And the old identity serves as soon as somebody answers.
  device.net.down = false;
  await fleet.pass(30 * SECOND);
  assert(worker.uplink.connected);
  const renewed = device.events.filter(({ event }) => event === "renewed");
  assertEquals(renewed.length, 1);
});

Deno.test("W7: certificates of the shortest life are renewed once in their window, and no more", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: HOUR });
  const device = fleet.device("one");
  const { worker } = await fleet.join(device);
  await fleet.pass(10 * HOUR);
  const renewed = device.events.filter(({ event }) => event === "renewed");
  // Each after 50 to 80 % of an hour
  assert(renewed.length >= 12 && renewed.length <= 20, `${renewed.length}`);
  assertEquals(worker.renewal.failures, 0);
});
