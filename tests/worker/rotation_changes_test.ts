import { assert, assertEquals, assertMatch } from "@std/assert";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { bundleOf } from "../../lib/cluster/root_views.ts";
import { newSession } from "../manager/caller.ts";
import { DESCRIPTION, House } from "../manager/house.ts";
import { operate } from "../manager/operate.ts";
import { Running } from "../manager/running.ts";
import type { Device } from "./device.ts";
import { Fleet, type Process } from "./fleet.ts";
import { restarted } from "./restart.ts";

/* What else happens while the root changes. */

async function fleetOf(size: number) {
  const fleet = await Fleet.open({ leafLifeMs: 2 * HOUR });
  const devices = Array.from({ length: size }, (_, i) => fleet.device(`d${i}`));
  const processes: Process[] = [];
  for (const device of devices) processes.push(await fleet.join(device));
  return { fleet, devices, processes };
}

/** All hold a certificate of the present root, and trust that root alone. */
function assertUnderPresentRoot(fleet: Fleet, them: readonly Process[]): void {
  const { cluster, manager } = fleet.house;
  assertEquals(cluster.rotation, undefined);
  const { digest } = bundleOf(cluster);
  const keyId = cluster.root.facts?.keyId;
  const records = [manager, ...them.map(({ id }) => fleet.house.node(id))];
  for (const { certificates, trusts } of records) {
    assertEquals(certificates.current?.issuerKeyId, keyId);
    assertEquals(trusts, digest);
  }
  for (const { worker } of them) {
    assert(worker.uplink.connected);
    assertEquals(worker.held.trust.bundle, digest);
  }
}

function count({ events }: Device, what: string): number {
  return events.filter(({ event }) => event === what).length;
}

/** A process that ended as its machine would have it. */
async function switchedOff(fleet: Fleet, process: Process): Promise<void> {
  fleet.processes.splice(fleet.processes.indexOf(process), 1);
  await process.stop();
}

Deno.test("RotationDesk ends on the last of ten roots that replace each other", async () => {
  const { fleet, devices, processes } = await fleetOf(2);
  await using _fleet = fleet;
  const from = fleet.house.cluster.root.certificate;
  let last = "";
  for (let i = 0; i < 10; i++) {
    await operate(fleet.running, "ca/rotate");
    last = fleet.house.cluster.rotation?.target.certificate ?? "";
    // Some of them get further than others
    await fleet.pass(i);
  }
  await fleet.pass(MINUTE);
  const { root, links = [] } = fleet.house.cluster;
  assertEquals([root.certificate, root.generation], [last, 11]);
  // One step of succession: what was replaced never was a root.
  assertEquals(links.map(({ certificate }) => certificate), [from]);
  assertUnderPresentRoot(fleet, processes);
  for (const device of devices) assertEquals(count(device, "disconnected"), 0);
});

Deno.test("RotationDesk ends on the last of three roots, a second apart", async () => {
  const { fleet, processes } = await fleetOf(3);
  await using _fleet = fleet;
  for (let i = 0; i < 3; i++) {
    await operate(fleet.running, "ca/rotate");
    await fleet.pass(SECOND);
  }
  await fleet.pass(MINUTE);
  assertEquals(fleet.house.cluster.root.generation, 4);
  assertUnderPresentRoot(fleet, processes);
});

Deno.test("RotationDesk changes the root again and again amid renewals, and both survive", async () => {
  await using fleet = await Fleet.open({
    drill: true,
    leafLifeMs: 30 * SECOND,
  });
  const devices = ["a", "b", "c"].map((label) => fleet.device(label));
  const processes: Process[] = [];
  for (const device of devices) processes.push(await fleet.join(device));
  for (let i = 0; i < 12; i++) {
    await operate(fleet.running, "ca/rotate");
    // Renewals of each fall into every phase
    await fleet.pass(10 * SECOND + 137 * i);
  }
  await fleet.pass(20 * SECOND);
  assertUnderPresentRoot(fleet, processes);
  assertEquals(fleet.house.cluster.root.generation, 13);
  for (const device of devices) {
    assertEquals(count(device, "disconnected"), 0);
    assert(count(device, "renewed") > 12, `${count(device, "renewed")}`);
  }
  assertEquals(fleet.running.manager.desk.refusals, 0);
});

Deno.test("RotationDesk waits for who is down, while another is removed and another joins", async () => {
  const { fleet, devices, processes } = await fleetOf(3);
  await using _fleet = fleet;
  const [down, gone, stays] = processes;
  assert(down && gone && stays && devices[0]);
  const { house } = fleet;
  const { rotation } = fleet.running.manager;
  const late = async () =>
    (await rotation.progress())?.stragglers.map(({ node }) => node);
  await switchedOff(fleet, down);
  await switchedOff(fleet, gone);
  await operate(fleet.running, "ca/rotate");
  await fleet.pass(MINUTE);
  assertEquals((await late())?.toSorted(), [down.id, gone.id].toSorted());
  const { phase, done, total } = (await rotation.progress()) ?? {};
  assertEquals([phase, done, total], ["renewing", 2, 4]);
  const joined = await fleet.join(fleet.device("joins"));
  await fleet.pass(MINUTE);
  const { keyId } = house.cluster.rotation?.target.facts ?? {};
  const { current } = house.node(joined.id).certificates;
  assertEquals(current?.issuerKeyId, keyId);
  await operate(fleet.running, "nodes/remove", { id: gone.id, force: true });
  await fleet.pass(MINUTE);
  assertEquals(await late(), [down.id]);
  const back = await fleet.run(devices[0]);
  await fleet.pass(MINUTE);
  assertUnderPresentRoot(fleet, [back, stays, joined]);
});

Deno.test("RotationDesk is not disturbed by other changes of the cluster, and shows no key", async () => {
  const { fleet, devices, processes } = await fleetOf(2);
  await using _fleet = fleet;
  const [down, stays] = processes;
  assert(down && stays && devices[0]);
  await switchedOff(fleet, down);
  await operate(fleet.running, "ca/rotate");
  await fleet.pass(MINUTE);
  const { root, rotation } = fleet.house.cluster;
  await operate(fleet.running, "cluster/update", { leafLifeMs: HOUR });
  await operate(fleet.running, "tokens/rotate", { role: "worker" });
  await fleet.pass(SECOND);
  assertEquals(fleet.house.cluster.root, root);
  assertEquals(fleet.house.cluster.rotation, rotation);
  for (const path of ["/v1/ca", "/v1/ca/status", "/v1/cluster", "/v1/status"]) {
    const { status, body } = await fleet.running.get(path);
    assertEquals(status, 200, path);
    const shown = JSON.stringify(body);
    for (const key of [root.key, rotation?.target.key]) {
      assert(key && !shown.includes(key.data), path);
    }
  }
  const back = await fleet.run(devices[0]);
  await fleet.pass(MINUTE);
  assertUnderPresentRoot(fleet, [back, stays]);
});

Deno.test("W13, W14: a rotation is finished without a node that is away, and that comes back by itself long after", async () => {
  const { fleet, devices, processes } = await fleetOf(2);
  const [away, stays] = processes;
  assert(away && stays && devices[0]);
  await switchedOff(fleet, away);
  const { rotation } = fleet.running.manager;
  await operate(fleet.running, "ca/rotate");
  await fleet.pass(10 * MINUTE);
  const [straggler] = (await rotation.progress())?.stragglers ?? [];
  assertEquals(straggler?.node, away.id);
  assertMatch(straggler?.reason ?? "", /^down since /);
  await operate(fleet.running, "ca/finish");
  await fleet.pass(10 * SECOND);
  assertUnderPresentRoot(fleet, [stays]);
  await switchedOff(fleet, stays);
  // The manager is off until the grace is over: it sends the cross-signature
  // no more.
  const meanwhile = () => fleet.house.clock.stepWall(8 * DAY);
  await using later = await restarted(fleet, { devices, meanwhile });
  await later.pass(MINUTE);
  assertEquals(later.house.cluster.graces, undefined);
  assertEquals(later.house.manager.certificates.current?.chain?.length, 1);
  const back = await later.run(devices[0]);
  await later.pass(MINUTE);
  assertEquals(back.id, away.id);
  assertUnderPresentRoot(later, [back]);
});

Deno.test("W12: a node is done when it was seen under the new root, whatever it says", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const node = await house.addNode();
  await operate(running, "ca/rotate");
  await house.clock.advance(SECOND);
  const { rotation } = house.cluster;
  assert(rotation);
  // It claims to trust both roots, which comes after the renewal.
  const caller = running.connect(node.chain);
  const said = { bundle: rotation.both };
  const hello = await caller.hello(newSession(house.newId()), said);
  assert(hello && "result" in hello, Deno.inspect(hello));
  const trustRoot = rotation.target.facts.digest;
  await caller.tell("node.register", {
    ...DESCRIPTION,
    issuer: "CN=swarm-ca, the next one",
    trustRoot,
    now: house.clock.now(),
  });
  assertEquals(running.manager.desk.sessions.of(node.id)?.trustRoot, trustRoot);
  await house.clock.advance(10 * SECOND);
  const { phase, stragglers = [] } =
    (await running.manager.rotation.progress()) ?? {};
  assertEquals(phase, "renewing");
  assertEquals(stragglers, [{
    node: node.id,
    reason: "has not been seen under the new root",
  }]);
});
