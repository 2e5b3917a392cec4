import { assert, assertEquals } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { giveWord, listWaiting } from "../../lib/cluster/waiting.ts";
import { Recovery } from "../../lib/worker/recovery.ts";
import { turn } from "../fakes/clock.ts";
import { WorkerState } from "../../lib/worker/state.ts";
import { CALM, House } from "../manager/house.ts";
import { Device, endpointOf, MANAGER } from "./device.ts";
import { Fleet } from "./fleet.ts";
import { DeadlyDisk, deaths } from "./kill.ts";
import { Scripted, SILENCE } from "./scripted.ts";

/** A device that was off while its certificate ended. */
async function expired(): Promise<
  { fleet: Fleet; device: Device; id: string }
> {
  const fleet = await Fleet.open({ leafLifeMs: HOUR });
  const device = fleet.device("one");
  const { id } = await fleet.join(device);
  const [process] = fleet.processes;
  await process?.stop();
  fleet.processes.length = 0;
  await fleet.pass(DAY);
  return { fleet, device, id };
}

async function turnOff({ house }: Fleet): Promise<void> {
  const record = { ...house.cluster, recoveryWindowMs: 0 };
  await house.store.update((tx) => tx.put("cluster", CLUSTER, record));
}

function names({ events }: Device): string[] {
  return events.map(({ event }) => event);
}

// W8: an expired certificate is a way back, not an end.
Deno.test("Worker whose certificate has ended comes back as the same node", async () => {
  const { fleet, device, id } = await expired();
  await using _ = fleet;
  const { worker } = await fleet.run(device);
  await fleet.pass(2 * SECOND);
  assert(worker.uplink.connected);
  assertEquals([worker.held.nodeId, worker.recovery], [id, undefined]);
  assertEquals(names(device).slice(-2), ["connected", "recovered"]);
  assertEquals(fleet.house.node(id).recoveries?.length, 1);
  // And it renews as ever.
  await fleet.pass(HOUR);
  assertEquals(names(device).slice(-1), ["renewed"]);
});

Deno.test("Worker that stays while its certificate ends comes back when its manager does", async () => {
  await using fleet = await Fleet.open({ leafLifeMs: HOUR });
  const device = fleet.device("one");
  const { worker, id } = await fleet.join(device);
  device.net.down = true;
  device.net.pipes.forEach((pipe) => pipe.cut());
  await fleet.pass(DAY);
  device.net.down = false;
  await fleet.pass(MINUTE);
  assert(worker.uplink.connected);
  assertEquals(worker.held.nodeId, id);
  assert(names(device).includes("recovered"));
});

Deno.test("Worker is the same node after a kill at every write of a recovery", async () => {
  // Stage, save, state, state of the connection, confirm, unstage.
  for (const death of deaths(6)) {
    const { fleet, device, id } = await expired();
    await using _ = fleet;
    const disk = new DeadlyDisk(death);
    disk.died = () => device.net.pipes.forEach((pipe) => pipe.cut());
    const killed = await fleet.run(device, disk);
    for (let i = 0; i < 20 && !disk.dead; i++) await fleet.pass(SECOND);
    const what = `${Deno.inspect(death)}: ${disk.writes}`;
    assert(disk.dead, what);
    fleet.forget(killed);
    await fleet.pass(5 * SECOND);
    const again = await fleet.run(device);
    await fleet.pass(10 * SECOND);
    assert(again.worker.uplink.connected, what);
    assertEquals(again.id, id, what);
    const { fingerprint } = again.worker.held.certificate;
    const { current } = fleet.house.node(id).certificates;
    assertEquals(current?.fingerprint, fingerprint, what);
    assertEquals(fleet.house.nodes.length, 2, what);
    assertEquals(await again.stop(), undefined, what);
  }
});

Deno.test("Worker that has to wait for an operator has its question open, tells it once, and comes back at once", async () => {
  const { fleet, device, id } = await expired();
  await using _ = fleet;
  const { house } = fleet;
  await turnOff(fleet);
  const { worker } = await fleet.run(device);
  await fleet.pass(MINUTE);
  assertEquals(worker.recovery?.reason, "expired");
  assert(worker.recovery?.pending);
  const dials = device.net.dialled.length;
  await fleet.pass(HOUR);
  // Its dials for a session alone, each below one in half a minute.
  assert(device.net.dialled.length - dials < 130);
  const open = device.net.pipes.filter(({ near }) => !near.destroyed);
  assertEquals(open.length, 1);
  assertEquals(names(device).filter((each) => each === "pending").length, 1);
  const now = house.clock.now();
  const [applicant] = house.store.view((view) => listWaiting(view, now));
  assert(applicant);
  assertEquals(worker.recovery?.pending, applicant.spki);
  await house.store.update((tx) =>
    giveWord(tx, { applicant, word: "accepted", by: "operator", now })
  );
  await fleet.pass(SECOND);
  assert(worker.uplink.connected);
  assertEquals([worker.held.nodeId, worker.recovery], [id, undefined]);
});

Deno.test("Worker that waits for an operator ends at once when its node is removed, and keeps its files", async () => {
  const { fleet, device, id } = await expired();
  await using _ = fleet;
  await turnOff(fleet);
  const process = await fleet.run(device);
  await fleet.pass(MINUTE);
  assert(process.worker.recovery?.pending);
  const before = device.disk.identity;
  await fleet.house.remove(id);
  for (let i = 0; i < 9; i++) await turn(); // no time passes
  const ended = await Promise.race([process.ended, turn().then(() => "runs")]);
  assert(ended instanceof SwarmdError, String(ended));
  assertEquals([ended.code, ended.verdict], ["removed", "rejoin"]);
  assertEquals(device.disk.identity, before);
  const state = await WorkerState.load(device.disk.open(CALM));
  assertEquals(state.of(id)?.refused, "removed");
});

Deno.test("Recovery.end() ends a question that waits for an operator", async () => {
  const house = await House.open();
  const device = new Device(house);
  const held = await device.join();
  const scripted = await Scripted.of(house);
  scripted.answers["recover"] = ({ line }) => {
    line.push("pending", { node: held.nodeId, nextMs: 30 * SECOND });
    return SILENCE;
  };
  device.net.servers.set(MANAGER, scripted);
  const recovery = new Recovery({
    ...device.ports(),
    held: () => held,
    generation: () => 0,
    voids: () => [],
  });
  recovery.begin({ reason: "replaced", endpoint: endpointOf(MANAGER) });
  const attempt = recovery.attempt(new AbortController().signal);
  for (let i = 0; i < 9; i++) await turn();
  assert(recovery.view?.pending);
  // A manager answered under the identity in use: it is good after all.
  recovery.end();
  assertEquals(await attempt, undefined);
  await turn();
  assert(scripted.last.closed);
  assertEquals([recovery.view, recovery.pauseMs], [undefined, 0]);
});

Deno.test("Worker that an operator rejected goes on, and asks about once a minute", async () => {
  const { fleet, device } = await expired();
  await using _ = fleet;
  const { house } = fleet;
  await turnOff(fleet);
  const { worker } = await fleet.run(device);
  await fleet.pass(MINUTE);
  const now = house.clock.now();
  const [applicant] = house.store.view((view) => listWaiting(view, now));
  assert(applicant);
  await house.store.update((tx) =>
    giveWord(tx, { applicant, word: "rejected", by: "operator", now })
  );
  await fleet.pass(10 * MINUTE);
  assert(/rejected/.test(worker.recovery?.lastError ?? ""));
  const dials = device.net.dialled.length;
  await fleet.pass(HOUR);
  // A dial for the session, and one to recover.
  assert(device.net.dialled.length - dials < 300);
  assertEquals(house.store.view((view) => view.count("applicant")), 1);
});
