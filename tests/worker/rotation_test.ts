import { assert, assertEquals } from "@std/assert";
import { HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { bundleOf } from "../../lib/cluster/root_views.ts";
import { AUTHORITY, foreignRoot, reading } from "../manager/foreign_root.ts";
import { House } from "../manager/house.ts";
import { Running } from "../manager/running.ts";
import { DeadlyDisk, deaths } from "./kill.ts";
import { Fleet, type Process } from "./fleet.ts";

/** A fleet of a drill cluster, whose numbers flow all the time. */
async function openFleet(size: number) {
  const house = await House.open({ drill: true, leafLifeMs: 2 * HOUR });
  const source = await foreignRoot(house, "Corporate");
  reading(house, () => Promise.resolve(source));
  const fleet = new Fleet(house, await Running.start(house));
  const devices = Array.from(
    { length: size },
    (_, i) => fleet.device(`device ${i}`),
  );
  const processes: Process[] = [];
  for (const device of devices) processes.push(await fleet.join(device));
  return { fleet, devices, processes };
}

async function untilPhase(fleet: Fleet, phase: string): Promise<void> {
  for (let i = 0; fleet.house.cluster.rotation?.phase !== phase; i++) {
    assert(i < 20_000, `it never came to ${phase}`);
    await fleet.pass(1);
  }
}

function assertClean(fleet: Fleet): void {
  const { desk, drill } = fleet.running.manager;
  assertEquals(desk.refusals, 0);
  for (const { read, theirRead } of drill.reports) {
    for (const reading of [read, theirRead]) {
      // One that has left has none.
      const { lost = 0, duplicated = 0, reordered = 0 } = reading ?? {};
      assertEquals([lost, duplicated, reordered], [0, 0, 0]);
    }
  }
}

function assertRight(fleet: Fleet, processes: readonly Process[]): void {
  const { cluster } = fleet.house;
  assertEquals(cluster.rotation, undefined);
  const { digest } = bundleOf(cluster);
  for (const { worker } of processes) {
    assertEquals(worker.held.trust.bundle, digest);
    const { certificates, trusts } = fleet.house.node(worker.held.nodeId);
    assertEquals(certificates.current?.issuerKeyId, cluster.root.facts?.keyId);
    assertEquals(trusts, digest);
  }
  const own = fleet.house.manager;
  assertEquals(own.trusts, digest);
  assertEquals(
    own.certificates.current?.issuerKeyId,
    cluster.root.facts?.keyId,
  );
}

Deno.test("RotationDesk carries a fleet from root to root without a gap", async () => {
  const { fleet, devices, processes } = await openFleet(5);
  await using _fleet = fleet;
  const { rotation } = fleet.running.manager;
  for (const generation of [2, 3, 4]) {
    const before = fleet.house.cluster;
    const token = await fleet.house.tokens.show("worker");
    await rotation.start({});
    await fleet.pass(20 * SECOND);
    const { cluster } = fleet.house;
    assertEquals(cluster.root.generation, generation);
    assertEquals(cluster.links?.length, generation - 1);
    // The key that was replaced is nowhere any more.
    assert(!JSON.stringify(cluster).includes(before.root.key?.data ?? "?"));
    assert(token !== await fleet.house.tokens.show("worker"));
    assertRight(fleet, processes);
  }
  assertClean(fleet);
  for (const { events } of devices) {
    const count = (name: string) =>
      events.filter(({ event }) => event === name).length;
    assertEquals(count("disconnected"), 0);
    assertEquals(count("renewed"), 3);
  }
});

Deno.test("RotationDesk turns a fleet back, in every phase", async () => {
  for (const phase of ["renewing", "trusting"]) {
    const { fleet, processes } = await openFleet(3);
    await using _fleet = fleet;
    const { manager } = fleet.running;
    const before = fleet.house.cluster.root;
    await manager.rotation.start({});
    await untilPhase(fleet, phase);
    const key = fleet.house.cluster.rotation?.target.key?.data ?? "?";
    await manager.rotation.abort();
    assert(!JSON.stringify(fleet.house.cluster).includes(key));
    await fleet.pass(MINUTE);
    assertEquals(fleet.house.cluster.root, before);
    assertRight(fleet, processes);
    assertClean(fleet);
  }
});

Deno.test("RotationDesk turns a fleet back, in every phase of a trust-first rotation", async () => {
  for (const phase of ["trusting", "renewing", "switching"]) {
    const { fleet, processes } = await openFleet(3);
    await using _fleet = fleet;
    const { rotation } = fleet.running.manager;
    await rotation.start({ authority: AUTHORITY });
    await fleet.pass(MINUTE);
    const before = fleet.house.cluster.root;
    await rotation.start({ trustFirst: true });
    await untilPhase(fleet, phase);
    const key = fleet.house.cluster.rotation?.target.key?.data ?? "?";
    await rotation.abort();
    if (phase === "switching") await untilPhase(fleet, "recalling");
    await untilPhase(fleet, "returning");
    assert(!JSON.stringify(fleet.house.cluster).includes(key));
    await fleet.pass(MINUTE);
    assertEquals(fleet.house.cluster.root, before);
    assertRight(fleet, processes);
    assertClean(fleet);
  }
});

Deno.test("RotationDesk names who is away, and ends without it at the deadline", async () => {
  const { fleet, devices, processes } = await openFleet(3);
  await using _fleet = fleet;
  const [away, ...others] = processes;
  assert(away && devices.length === 3);
  await away.stop();
  fleet.processes.shift();
  const { rotation } = fleet.running.manager;
  await rotation.start({ deadlineMs: 10 * MINUTE, quorum: 0.7 });
  await fleet.pass(9 * MINUTE);
  assertEquals(fleet.house.cluster.rotation?.phase, "renewing");
  const { stragglers = [] } = (await rotation.progress()) ?? {};
  assertEquals(stragglers.map(({ node }) => node), [away.id]);
  assert(stragglers[0]?.reason.startsWith("down since "));
  await fleet.pass(2 * MINUTE);
  assertRight(fleet, others);
  assertClean(fleet);
});

Deno.test("RotationDesk cuts a root off: what carries over ends within the hour", async () => {
  const { fleet, devices, processes } = await openFleet(2);
  await using _fleet = fleet;
  const { house } = fleet;
  const cutAt = house.clock.now();
  const { carried, left } = await fleet.running.manager.rotation
    .cutOff({ cutAll: false });
  assertEquals([carried.length, left], [2, []]);
  await fleet.pass(20 * SECOND);
  assertRight(fleet, processes);
  for (const { id } of processes) {
    const { current } = house.node(id).certificates;
    assertEquals(current?.chain?.length, 2);
    // It leans on what only who trusted the old root needs.
    assert((current?.notAfter ?? Infinity) <= cutAt + HOUR);
  }
  await fleet.pass(2 * HOUR);
  assertRight(fleet, processes);
  for (const { id } of processes) {
    assertEquals(house.node(id).certificates.current?.chain?.length, 1);
  }
  assertEquals(house.manager.certificates.current?.chain?.length, 1);
  for (const { events } of devices) {
    assert(!events.some(({ event }) => event === "disconnected"));
  }
  assertClean(fleet);
});

Deno.test("RotationDesk takes one change after the other", async () => {
  const { fleet, processes } = await openFleet(1);
  await using _fleet = fleet;
  const { rotation } = fleet.running.manager;
  await Promise.all([rotation.start({}), rotation.start({})]);
  await fleet.pass(MINUTE);
  assertEquals(fleet.house.cluster.root.generation, 3);
  assertRight(fleet, processes);
});

Deno.test("Worker that dies at any write of a rotation is carried along", async () => {
  // More writes than a rotation has; those that never come end the loop.
  for (const death of deaths(16)) {
    const { fleet, devices, processes } = await openFleet(1);
    await using _fleet = fleet;
    const [device] = devices;
    const [first] = processes;
    assert(device && first);
    await first.stop();
    fleet.processes.shift();
    const disk = new DeadlyDisk(death);
    disk.died = () => device.net.pipes.forEach((pipe) => pipe.cut());
    const doomed = await fleet.run(device, disk);
    await fleet.running.manager.rotation.start({});
    await fleet.pass(20 * SECOND);
    if (!disk.dead) {
      assertRight(fleet, [doomed]);
      assert(death.write > 5, "a rotation has more writes than that");
      return;
    }
    fleet.forget(doomed);
    const next = await fleet.run(device);
    await fleet.pass(2 * MINUTE);
    assertRight(fleet, [next]);
    assertEquals(next.id, first.id, `${Deno.inspect(death)}: ${disk.writes}`);
  }
});
