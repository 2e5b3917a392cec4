import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { WorkerState } from "../../lib/worker/state.ts";
import { HOUR, MINUTE } from "../../lib/base/time.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { removeNode } from "../../lib/cluster/removal.ts";
import { House } from "../manager/house.ts";
import { Running } from "../manager/running.ts";
import { operate } from "../manager/operate.ts";
import { type Device, MANAGER } from "./device.ts";
import { Fleet, type Process } from "./fleet.ts";
import { managerLeaf, Scripted, type ScriptedLine } from "./scripted.ts";

/** Puts somebody in the place of the manager, and lets the worker find him. */
async function turnTo(
  fleet: Fleet,
  { device, to }: { readonly device: Device; readonly to: Scripted },
) {
  const server = device.net.servers.get(MANAGER);
  assert(server);
  device.net.servers.set(MANAGER, to);
  device.net.pipes.at(-1)?.cut();
  await fleet.pass(5 * MINUTE);
  return {
    async lift(): Promise<void> {
      device.net.servers.set(MANAGER, server);
      device.net.pipes.at(-1)?.cut();
      await fleet.pass(5 * MINUTE);
    },
  };
}

/** Knows no session of before: what it sends is the first of a new one. */
function thiefWith(fleet: Fleet, leaf: Bytes): Scripted {
  const thief = new Scripted(fleet.house, [leaf]);
  thief.answers["hello"] = ({ params }) => {
    const greeting = thief.greeting(params);
    const session = { ...Object(greeting["session"]), resumed: false };
    return { ...greeting, ...(params["session"] ? { session } : {}) };
  };
  return thief;
}

/** Everything that the impostor was told. */
function heard({ lines }: Scripted): readonly unknown[] {
  return lines.flatMap(({ received }) => received);
}

function voidAt({ worker }: Process): string[] {
  const { voidManagers = [] } = worker.membership;
  return voidManagers.map(({ fingerprint }) => fingerprint);
}

/** A list of void certificates, in the worker's session. */
function tell(
  line: ScriptedLine,
  fingerprints: readonly string[],
  { n } = { n: 1 },
): void {
  const until = Date.UTC(2100, 0, 1);
  const certificates = fingerprints.map((fingerprint) => ({
    fingerprint,
    until,
  }));
  const method = "cluster.void-managers";
  line.send({ method, params: { certificates }, n });
}

/** Promotes a worker; gives the certificate that it gets then. */
async function promote(fleet: Fleet, { id, worker }: Process): Promise<Bytes> {
  await operate(fleet.running, "nodes/promote", { id });
  await fleet.pass(5 * MINUTE);
  const { certificate } = worker.held;
  assertEquals(certificate.subject.organizationalUnit, "swarm-manager");
  return certificate.der;
}

for (const change of ["demote", "remove"] as const) {
  Deno.test(`W24: after node ${change} no worker that heard of it believes that manager's certificate, nor after a restart`, async () => {
    await using fleet = await Fleet.open();
    const device = fleet.device("victim");
    const victim = await fleet.join(device);
    const promoted = await fleet.join(fleet.device("promoted"));
    await fleet.pass(HOUR);
    const stolen = await promote(fleet, promoted);
    const { crypto } = fleet.house;
    const { fingerprint } = await readCertificate(crypto, stolen);
    assertFalse(voidAt(victim).includes(fingerprint));
    const before = fleet.running.credentials.length;
    await operate(fleet.running, `nodes/${change}`, {
      id: promoted.id,
      ...(change === "remove" && { force: true }),
    });
    await fleet.pass(5 * MINUTE);
    assert(voidAt(victim).includes(fingerprint));
    // Its own certificate has to be newer than what it takes back.
    assertEquals(fleet.running.credentials.length, before + 1);
    const impostor = new Scripted(fleet.house, [stolen]);
    const { lift } = await turnTo(fleet, { device, to: impostor });
    assert(impostor.lines.length > 0);
    assertEquals(heard(impostor), []);
    assert(/called the certificate of node \w+ void/.test(
      victim.worker.uplink.lastError ?? "",
    ));
    await victim.stop();
    const again = await fleet.run(device);
    await fleet.pass(5 * MINUTE);
    assertEquals(heard(impostor), []);
    await lift();
    assert(again.worker.uplink.connected);
    assertEquals(again.id, victim.id);
  });
}

Deno.test("W24: a thief with a manager's older key cannot void the certificate of the true one", async () => {
  await using fleet = await Fleet.open();
  const { crypto, clock } = fleet.house;
  const device = fleet.device("victim");
  const older = await managerLeaf(fleet.house, {
    notBefore: Math.floor(clock.now() / 1_000) * 1_000 - 2 * HOUR,
  });
  const victim = await fleet.join(device);
  await fleet.pass(MINUTE);
  const [serving] = device.net.servers.get(MANAGER)?.chain() ?? [];
  assert(serving);
  const { fingerprint } = await readCertificate(crypto, serving);
  const thief = thiefWith(fleet, older);
  const { lift } = await turnTo(fleet, { device, to: thief });
  assert(victim.worker.uplink.connected);
  tell(thief.last, [fingerprint]);
  await fleet.pass(MINUTE);
  assertEquals(voidAt(victim), [fingerprint]);
  await lift();
  assert(victim.worker.uplink.connected);
  const [presented] = device.net.servers.get(MANAGER)?.chain() ?? [];
  assertEquals(presented, serving);
});

Deno.test("W24: a list that names the manager who tells it is refused and logged", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("victim");
  const leaf = await managerLeaf(fleet.house);
  const { fingerprint } = await readCertificate(fleet.house.crypto, leaf);
  const victim = await fleet.join(device);
  await fleet.pass(MINUTE);
  const thief = thiefWith(fleet, leaf);
  const { lift } = await turnTo(fleet, { device, to: thief });
  for (let n = 1; n < 4; n++) {
    tell(thief.last, ["ab".repeat(32), fingerprint], { n });
  }
  await fleet.pass(MINUTE);
  assertEquals(voidAt(victim), []);
  const lines = device.logged.filter(({ message }) =>
    message === "List of void certificates not taken"
  );
  assertEquals(lines.map(({ level }) => level), ["error"]);
  assert(victim.worker.uplink.connected);
  await lift();
  assert(victim.worker.uplink.connected);
});

Deno.test("W24: a certificate that a manager replaced is void when its overlap is over, and nobody is cut off for it", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("victim");
  const victim = await fleet.join(device);
  await fleet.pass(MINUTE);
  const [serving] = device.net.servers.get(MANAGER)?.chain() ?? [];
  assert(serving);
  const { fingerprint } = await readCertificate(fleet.house.crypto, serving);
  const { id } = fleet.house.manager;
  // The manager renews by itself: it has no session with itself.
  const order = { ids: [id], all: false };
  const asked = await operate(fleet.running, "nodes/renew", order);
  assertEquals(asked, { asked: [id], absent: [], refused: [] });
  assertEquals(fleet.running.credentials.length, 2);
  await fleet.pass(3 * MINUTE);
  assertEquals(voidAt(victim), []);
  await fleet.pass(5 * MINUTE);
  assertEquals(voidAt(victim), [fingerprint]);
  assert(victim.worker.uplink.connected);
  assertEquals(device.events.map(({ event }) => event), [
    "joined",
    "connected",
  ]);
});

Deno.test("W24: a manager that dies before it has a newer certificate gets one at its next start", async () => {
  for (const change of ["demoted", "removed"] as const) {
    const house = await House.open();
    const { id } = house.manager;
    await house.clock.advance(HOUR);
    const manager = await house.addSeenNode("manager");
    await house.clock.advance(HOUR);
    if (change === "demoted") {
      await house.change(manager.id, { role: "worker" });
    } else {
      const removal = { by: "operator", why: "", now: house.clock.now() };
      await house.store.update((tx) =>
        removeNode(tx, { ...removal, nodeId: manager.id })
      );
    }
    await house.clock.advance(MINUTE);
    for (const renewals of [1, 0]) {
      await using running = await Running.start(house);
      await house.clock.advance(5 * MINUTE);
      assertEquals(running.credentials.length - 1, renewals, change);
      assertEquals(running.manager.nodeId, id);
    }
  }
});

Deno.test("W24: a device that joins anew still knows what is void", async () => {
  await using fleet = await Fleet.open();
  const device = fleet.device("victim");
  const victim = await fleet.join(device);
  const promoted = await fleet.join(fleet.device("promoted"));
  await fleet.pass(HOUR);
  const stolen = await promote(fleet, promoted);
  await operate(fleet.running, "nodes/demote", { id: promoted.id });
  await fleet.pass(5 * MINUTE);
  const known = victim.worker.membership.voidManagers;
  // And the manager's own that it replaced for that.
  assertEquals(known?.length, 2);
  await victim.stop();
  const server = device.net.servers.get(MANAGER);
  assert(server);
  device.net.servers.set(MANAGER, new Scripted(fleet.house, [stolen]));
  const error = await assertRejects(() => device.join(), SwarmdError);
  assertEquals(error.code, "tls");
  assert(/void/.test(error.message), error.message);
  device.net.servers.set(MANAGER, server);
  const { nodeId } = await device.join();
  const state = await WorkerState.load(device.ports().identity);
  assert(nodeId !== victim.id);
  assertEquals(state.of(nodeId)?.voidManagers, known);
});
