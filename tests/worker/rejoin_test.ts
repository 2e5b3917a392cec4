import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { encodeBase36 } from "../../lib/base/base36.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { startWorker } from "../../lib/worker/start.ts";
import { House, type HouseOptions } from "../manager/house.ts";
import { operate } from "../manager/operate.ts";
import { Device, endpointOf, MANAGER, serverOf } from "./device.ts";
import { Fleet, type Process } from "./fleet.ts";

/** `worker join` with a token, as a new process. */
async function joining(device: Device, token: string) {
  return await startWorker(device.ports(), {
    join: { token: parseJoinToken(token), managers: [endpointOf(MANAGER)] },
    stateDir: "/state",
    signal: new AbortController().signal,
  });
}

Deno.test("W26: a root that lies on the disk is no reason to trust who has a certificate of it", async () => {
  const [mine, other] = [
    await House.open(),
    await House.open({ label: "other" }),
  ];
  const device = new Device(mine);
  await joining(device, await mine.tokens.show("worker"));
  const before = device.disk.identity;
  device.binding = "another machine";
  // Its disk trusts the root of the manager that answers; the token does not.
  const token = await other.tokens.show("worker");
  const error = await assertRejects(
    () => joining(device, token),
    SwarmdError,
  );
  assertEquals(error.code, "root-mismatch");
  const secret = encodeBase36(parseJoinToken(token).secret);
  const said = [true, false].map((verified) =>
    device.net.written({ verified })
  );
  assertFalse(JSON.stringify(said).includes(secret));
  assertEquals(device.disk.identity, before);
  device.net.servers.set(MANAGER, serverOf(other));
  const { held } = await joining(device, token);
  assertEquals(held.clusterId, other.cluster.id);
});

/** A worker of a fleet that was stopped. */
async function away(options: HouseOptions = {}) {
  const fleet = await Fleet.open(options);
  const device = fleet.device("away");
  const process = await fleet.join(device);
  await fleet.pass(SECOND);
  fleet.processes.splice(fleet.processes.indexOf(process), 1);
  await process.stop();
  return { fleet, device, id: process.id };
}

function warnings({ logged }: Device): unknown[] {
  return logged.filter(({ message }) => /gives up/.test(message))
    .map(({ level, fields }) => [level, fields["node"], fields["cluster"]]);
}

/** It has a session, and there is no second node. */
async function assertBack(
  process: Process,
  { fleet, id }: { readonly fleet: Fleet; readonly id: string },
): Promise<void> {
  await fleet.pass(2 * MINUTE);
  assertEquals(process.id, id);
  assert(process.worker.uplink.connected);
  const workers = fleet.house.nodes.filter(({ role }) => role === "worker");
  assertEquals(workers.length, 1);
}

Deno.test("startWorker() resumes with the present token after roots that changed while it was off", async () => {
  for (const roots of [1, 3]) {
    const { fleet, device, id } = await away();
    await using _ = fleet;
    const before = device.disk.identity;
    for (let i = 0; i < roots; i++) {
      await operate(fleet.running, "ca/rotate");
      await fleet.pass(MINUTE);
      await operate(fleet.running, "ca/finish");
      await fleet.pass(10 * SECOND);
    }
    assertEquals(fleet.house.cluster.rotation, undefined);
    assertEquals(fleet.house.cluster.root.generation, roots + 1);
    const token = await fleet.house.tokens.show("worker");
    const { held } = await joining(device, token);
    assertEquals(held.nodeId, id);
    assertEquals(device.disk.identity, before);
    const process = await fleet.join(device);
    await assertBack(process, { fleet, id });
    assertEquals(warnings(device), []);
    const { facts } = fleet.house.cluster.root;
    assertEquals(process.worker.held.trust.newest, facts?.digest);
  }
});

Deno.test("startWorker() resumes while the root changes, and with the token of before", async () => {
  const { fleet, device, id } = await away();
  await using _ = fleet;
  const token = await fleet.house.tokens.show("worker");
  await operate(fleet.running, "ca/rotate");
  for (let i = 0; i < 30; i++) {
    assert(fleet.house.cluster.rotation);
    for (const each of [token, await fleet.house.tokens.show("worker")]) {
      assertEquals((await joining(device, each)).held.nodeId, id);
    }
    await fleet.pass(i < 20 ? 1 : SECOND);
  }
  await operate(fleet.running, "ca/finish");
  await fleet.pass(10 * SECOND);
  await assertBack(await fleet.join(device), { fleet, id });
});

Deno.test("startWorker() resumes with a token of before, whose root led to its own", async () => {
  await using fleet = await Fleet.open();
  const old = await fleet.house.tokens.show("worker");
  await operate(fleet.running, "ca/rotate");
  await fleet.pass(MINUTE);
  const device = fleet.device("late");
  const process = await fleet.join(device);
  await fleet.pass(SECOND);
  fleet.forget(process);
  assertEquals((await joining(device, old)).held.nodeId, process.id);
});

Deno.test("startWorker() recovers with the key that the join asked with, and counts it once", async () => {
  const { fleet, device, id } = await away({ leafLifeMs: HOUR });
  await using _ = fleet;
  await fleet.pass(DAY);
  await assertBack(await fleet.join(device), { fleet, id });
  assertEquals(fleet.house.node(id).recoveries?.length, 1);
  const names = device.events.map(({ event }) => event);
  assertEquals(names.filter((each) => each === "joined").length, 1);
  assert(names.includes("recovered"));
});

Deno.test("startWorker() joins anew after a root that was cut off, and names what it gives up", async () => {
  // With somebody to carry over the manager shows a way for a while.
  for (const cutAll of [true, false]) {
    const { fleet, device, id } = await away();
    await using _ = fleet;
    await fleet.join(fleet.device("carried"));
    await fleet.pass(SECOND);
    await fleet.running.manager.rotation.cutOff({ cutAll });
    await fleet.pass(SECOND);
    const process = await fleet.join(device);
    assert(process.id !== id, `${cutAll}`);
    assertEquals(warnings(device), [["warn", id, fleet.house.cluster.id]]);
    await fleet.pass(MINUTE);
    assert(process.worker.uplink.connected);
  }
});

Deno.test("startWorker() joins another cluster with a warning, once its manager is there", async () => {
  const [mine, other] = [
    await House.open(),
    await House.open({ label: "other" }),
  ];
  const device = new Device(mine);
  const { held } = await joining(device, await mine.tokens.show("worker"));
  const token = await other.tokens.show("worker");
  const error = await assertRejects(() => joining(device, token), SwarmdError);
  assertEquals(error.code, "root-mismatch");
  device.net.servers.set(MANAGER, serverOf(other));
  const moved = await joining(device, token);
  assertEquals(moved.held.clusterId, other.cluster.id);
  assertEquals(warnings(device).at(-1), ["warn", held.nodeId, mine.cluster.id]);
});

Deno.test("startWorker() is a worker by a worker's token, whatever the machine was before", async () => {
  await using fleet = await Fleet.open();
  const { house } = fleet;
  const device = fleet.device("one");
  const token = await house.tokens.show("manager");
  const first = await joining(device, token);
  assertEquals(first.held.role, "manager");
  const { nodeId } = first.held;
  const process = await fleet.run(device);
  await fleet.pass(SECOND);
  await operate(fleet.running, "nodes/remove", { id: nodeId, force: true });
  await fleet.pass(SECOND);
  assert(await process.ended instanceof SwarmdError);
  fleet.forget(process);
  const again = await fleet.join(device);
  await fleet.pass(MINUTE);
  assertEquals(again.worker.held.role, "worker");
  assert(again.id !== nodeId);
  assertEquals(house.node(again.id).role, "worker");
});
