import { assert, assertEquals, assertMatch } from "@std/assert";
import { DAY, MINUTE } from "../../lib/base/time.ts";
import { House } from "../manager/house.ts";
import { operate } from "../manager/operate.ts";
import { Running } from "../manager/running.ts";
import { Fleet } from "./fleet.ts";

const YEAR = 365 * DAY;

async function alarms(running: Running): Promise<readonly string[]> {
  const { body } = await running.get("/v1/status");
  return (body as { alarms: string[] }).alarms;
}

Deno.test("a root that is about to end raises an alarm, bounds what it issues, and is rotated like any other", async () => {
  const house = await House.open();
  const { notAfter } = house.authority.root;
  // The manager was off nearly as long as the root lives.
  house.clock.stepWall(notAfter - house.clock.now() - 30 * DAY);
  assert(house.clock.now() > Date.UTC(2026, 0, 1) + 19 * YEAR);
  await using fleet = new Fleet(house, await Running.start(house));
  const { running } = fleet;
  const { worker } = await fleet.join(fleet.device("one"));
  assertEquals(worker.held.certificate.notAfter, notAfter);
  const [alarm = ""] = await alarms(running);
  assertMatch(alarm, /^The authority ends at .*swarmd ca rotate/);
  await fleet.pass(MINUTE);
  await operate(running, "ca/rotate");
  await fleet.pass(2 * MINUTE);
  assertEquals(house.cluster.rotation, undefined);
  assertEquals(house.cluster.root.generation, 2);
  assertEquals(await alarms(running), []);
  // What leaned on the old root does not outlive it; what comes next does.
  assert(worker.held.certificate.notAfter <= notAfter);
  await operate(running, "nodes/renew", { ids: [], all: true });
  await fleet.pass(2 * MINUTE);
  assert(worker.uplink.connected);
  assert(worker.held.certificate.notAfter > notAfter);
});
