import { assert, assertEquals, assertRejects } from "@std/assert";
import { DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import { House } from "../manager/house.ts";
import { Running } from "../manager/running.ts";
import { Fleet } from "./fleet.ts";

/* A change of the root that could not be written, and is ordered again. */

const LEAF_LIFE = 90 * DAY;

async function open() {
  const house = await House.open({ leafLifeMs: LEAF_LIFE });
  const fleet = new Fleet(house, await Running.start(house));
  const { worker } = await fleet.join(fleet.device("one"));
  await fleet.pass(MINUTE);
  return { house, fleet, worker };
}

async function failing(
  house: House,
  change: () => Promise<unknown>,
): Promise<void> {
  house.disk.full = true;
  await assertRejects(change);
  house.disk.full = false;
}

async function joinerOf(fleet: Fleet) {
  const { worker } = await fleet.join(fleet.device("late"));
  await fleet.pass(MINUTE);
  assert(worker.uplink.connected);
  return worker.held;
}

function assertFollowed(house: House, worker: Worker): void {
  const { keyId, bundle } = house.cluster.root.facts ?? {};
  assertEquals(house.cluster.root.generation, 2);
  assertEquals(house.cluster.rotation, undefined);
  assert(worker.uplink.connected);
  assertEquals(worker.held.certificate.authorityKeyId, keyId);
  assertEquals(worker.held.trust.bundle, bundle);
}

type Worker = Awaited<ReturnType<typeof open>>["worker"];

Deno.test("RotationDesk rotates to the root that was written, after one that could not be", async () => {
  const { house, fleet, worker } = await open();
  await using _fleet = fleet;
  const { rotation } = fleet.running.manager;
  await failing(house, () => rotation.start({}));
  await rotation.start({});
  await fleet.pass(5 * MINUTE);
  assertFollowed(house, worker);
  await joinerOf(fleet);
});

Deno.test("RotationDesk cuts over to the root that was written, after one that could not be", async () => {
  const { house, fleet, worker } = await open();
  await using _fleet = fleet;
  const { rotation } = fleet.running.manager;
  await failing(house, () => rotation.cutOff({ cutAll: false }));
  const { carried } = await rotation.cutOff({ cutAll: false });
  assertEquals(carried, [worker.held.nodeId]);
  await fleet.pass(2 * HOUR);
  assertFollowed(house, worker);
  await joinerOf(fleet);
});

Deno.test("RotationDesk carries nobody to a root by what a cut that failed made", async () => {
  const { house, fleet, worker } = await open();
  await using _fleet = fleet;
  const { rotation } = fleet.running.manager;
  await failing(house, () => rotation.cutOff({ cutAll: false }));
  await rotation.start({});
  await fleet.pass(5 * MINUTE);
  assertFollowed(house, worker);
  const { certificate, identity: { chain } } = await joinerOf(fleet);
  assert(certificate.notAfter - house.clock.now() > LEAF_LIFE - HOUR);
  // What a cut carries over with ends within the hour.
  const tomorrow = house.clock.now() + DAY;
  for (const { notAfter } of chain) assert(notAfter > tomorrow);
});
