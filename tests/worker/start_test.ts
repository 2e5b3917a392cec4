import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { type Clock, DAY, HOUR, MINUTE } from "../../lib/base/time.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { startWorker } from "../../lib/worker/start.ts";
import type { WorkerPorts } from "../../lib/worker/ports.ts";
import { WorkerState } from "../../lib/worker/state.ts";
import { turn } from "../fakes/clock.ts";
import { CALM, House } from "../manager/house.ts";
import { Device, endpointOf, MANAGER, serverOf } from "./device.ts";
import { DeadlyDisk, deaths } from "./kill.ts";
import { Net } from "./net.ts";

interface Order {
  readonly token?: string;
  readonly ports?: WorkerPorts;
  readonly managers?: readonly string[];
}

/** `worker join` as a new process. */
async function joining(device: Device, order: Order = {}) {
  const token = order.token ?? await device.house.tokens.show("worker");
  return await startWorker(order.ports ?? device.ports(), {
    join: {
      token: parseJoinToken(token),
      managers: (order.managers ?? [MANAGER]).map(endpointOf),
    },
    stateDir: "/state",
    signal: new AbortController().signal,
  });
}

/** `worker run` as a new process. */
async function resuming(device: Device, ports = device.ports()) {
  const { signal } = new AbortController();
  return await startWorker(ports, { stateDir: "/state", signal });
}

async function code(work: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => work, SwarmdError)).code;
}

/** The one worker that the cluster knows. */
function onlyWorker({ house }: Device): string {
  const workers = house.nodes.filter(({ role }) => role === "worker");
  assertEquals(workers.length, 1);
  return workers[0]?.id ?? "";
}

/** Nodes and clusters that the log warned of giving up. */
function givenUp({ logged }: Device): unknown[][] {
  return logged.filter(({ level, message }) =>
    level === "warn" && /gives up/.test(message)
  ).map(({ fields: { node, cluster } }) => [node, cluster]);
}

Deno.test("startWorker() joins once, however often it is killed between two writes", async () => {
  for (const death of deaths(4)) {
    const device = new Device(await House.open());
    const disk = new DeadlyDisk(death);
    void joining(device, { ports: device.ports(disk) });
    await turn();
    assert(disk.dead, Deno.inspect(death));
    // The machine comes back an hour later.
    await device.house.clock.advance(HOUR);
    const started = await joining(device);
    const id = onlyWorker(device);
    assertEquals(started.held.nodeId, id, Deno.inspect(death));
    assertEquals(started.state.of(id), started.membership);
    // `run` finds the same.
    assertEquals((await resuming(device)).held.nodeId, id);
    const staged = await device.disk.open(CALM).loadStagedKey();
    assertEquals(staged, undefined);
  }
});

Deno.test("startWorker() is the same node after being killed at every write in turn", async () => {
  const device = new Device(await House.open());
  for (const death of deaths(4)) {
    const disk = new DeadlyDisk(death);
    void joining(device, { ports: device.ports(disk) }).catch(() => {});
    await turn();
    await device.house.clock.advance(MINUTE);
  }
  const { held } = await joining(device);
  assertEquals(held.nodeId, onlyWorker(device));
});

Deno.test("startWorker() never harms an identity that was there by a join that is killed, or fails", async () => {
  const other = await House.open({ label: "other" });
  for (const death of deaths(4)) {
    const device = new Device(await House.open());
    const { held } = await joining(device);
    const before = device.disk.identity;
    // A join to another cluster, whose manager is elsewhere.
    const elsewhere = new Device(other);
    elsewhere.net.servers.forEach((server, at) =>
      device.net.servers.set(at === MANAGER ? "10.9.9.9:1" : at, server)
    );
    const disk = new DeadlyDisk(death);
    const token = await other.tokens.show("worker");
    const managers = ["10.9.9.9:1"];
    void joining(device, { token, managers, ports: device.ports(disk) });
    await turn();
    assert(disk.dead);
    const { held: found, membership } = await resuming(device);
    const saved = device.disk.identity !== before;
    assertEquals(found.nodeId === held.nodeId, !saved, Deno.inspect(death));
    assertEquals(membership.cluster, found.clusterId);
  }
});

Deno.test("startWorker() resumes what is still good, and asks nobody", async () => {
  const device = new Device(await House.open());
  const { held } = await joining(device);
  const dialled = device.net.dialled.length;
  const managers = ["10.0.0.7:1", MANAGER];
  const again = await joining(device, { managers });
  assertEquals(again.held.nodeId, held.nodeId);
  assertEquals(device.net.dialled.length, dialled);
  // The addresses that were given count all the same.
  assertEquals(again.membership.seeds, managers);
  const joined = device.events.filter(({ event }) => event === "joined");
  assertEquals(joined.length, 1);
});

Deno.test("startWorker() joins anew where the identity is not good any more", async () => {
  const cases: readonly [string, (device: Device) => unknown][] = [
    ["it ended longer ago than the window", async ({ house }) => {
      await house.clock.advance(121 * DAY);
      await house.renewOwn();
    }],
    ["another machine", (device) => device.binding = "copy"],
    ["refused for good", async (device) => {
      const store = device.disk.open(CALM);
      const state = await WorkerState.load(store);
      const id = onlyWorker(device);
      const membership = state.of(id);
      assert(membership);
      await state.remember(id, { ...membership, refused: "unknown-node" });
    }],
    ["state.json is lost", ({ disk }) => disk.open(CALM).saveState(undefined)],
  ];
  for (const [what, happens] of cases) {
    const device = new Device(await House.open());
    const { held } = await joining(device);
    await happens(device);
    const next = await joining(device);
    assertNotEquals(next.held.nodeId, held.nodeId, what);
    assertEquals(givenUp(device), [[held.nodeId, held.clusterId]], what);
  }
});

Deno.test("startWorker() resumes an identity that ended and comes back by itself", async () => {
  const device = new Device(await House.open());
  const { held } = await joining(device);
  await device.house.clock.advance(100 * DAY);
  await device.house.renewOwn();
  const before = device.disk.identity;
  assertEquals((await joining(device)).held.nodeId, held.nodeId);
  // To recover is left to who runs with it, with the key that was asked with.
  assertEquals(device.disk.identity, before);
  const staged = await device.disk.open(CALM).loadStagedKey();
  assertEquals(staged?.purpose, "recover");
  assertEquals(givenUp(device), []);
});

Deno.test("startWorker() goes on with a join that began after the identity had ended", async () => {
  for (const death of deaths(4)) {
    const device = new Device(await House.open());
    const { held } = await joining(device);
    await device.house.clock.advance(121 * DAY);
    await device.house.renewOwn();
    // To stage the key to recover with is the first write.
    const disk = new DeadlyDisk({ ...death, write: death.write + 1 });
    void joining(device, { ports: device.ports(disk) });
    for (let i = 0; i < 9 && !disk.dead; i++) await turn();
    assert(disk.dead, Deno.inspect(death));
    const again = await joining(device);
    assertNotEquals(again.held.nodeId, held.nodeId);
    const workers = device.house.nodes.filter(({ role }) => role === "worker");
    assertEquals(workers.length, 2, Deno.inspect(death));
  }
});

Deno.test("startWorker() never gives an identity up by the machine's own clock", async () => {
  for (const offMs of [-1_000 * DAY, -DAY, 89 * DAY, 100 * DAY, 1_000 * DAY]) {
    const device = new Device(await House.open());
    const { held } = await joining(device);
    const before = device.disk.identity;
    const { clock, crypto } = device.house;
    const wrong: Clock = {
      now: () => clock.now() + offMs,
      monotonic: () => clock.monotonic(),
      schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
    };
    const net = new Net({ clock: wrong, crypto });
    net.servers.set(MANAGER, serverOf(device.house));
    Object.assign(device, { clock: wrong, net });
    const again = await joining(device);
    assertEquals(again.held.nodeId, held.nodeId, `${offMs}`);
    assertEquals(device.disk.identity, before);
  }
});

Deno.test("startWorker() leaves an identity alone while nobody can say whether it is good", async () => {
  const other = await House.open({ label: "other" });
  for (const token of [undefined, await other.tokens.show("worker")]) {
    const device = new Device(await House.open());
    await joining(device);
    const { content } = device.disk.image;
    if (!token) await device.house.clock.advance(121 * DAY);
    device.net.down = true;
    const order = token === undefined ? {} : { token };
    assertEquals(await code(joining(device, order)), "unreachable");
    assertEquals(device.disk.identity, content.identities[0]);
    assertEquals(givenUp(device), []);
  }
});

Deno.test("startWorker() keeps the old identity while another cannot be had", async () => {
  const device = new Device(await House.open());
  await joining(device);
  const before = device.disk.identity;
  device.binding = "copy";
  device.net.down = true;
  assertEquals(await code(joining(device)), "unreachable");
  assertEquals(device.disk.identity, before);
});

Deno.test("startWorker() refuses to run with what is not whole, by name", async () => {
  const empty = new Device(await House.open());
  assertEquals(await code(resuming(empty)), "not-initialised");
  const device = new Device(await House.open());
  await joining(device);
  device.binding = "copy";
  assertEquals(await code(resuming(device)), "cloned");
  device.binding = "machine";
  await resuming(device);
  await device.disk.open(CALM).saveState(undefined);
  assertEquals(await code(resuming(device)), "damaged-state");
  await device.disk.open(CALM).saveState({ version: 2 });
  assertEquals(await code(resuming(device)), "damaged-state");
});

Deno.test("startWorker() refuses damaged files by name, and never a date", async () => {
  const damages = [
    { keyPem: "" },
    { keyPem: "garbage" },
    { certificatePem: "" },
    { certificatePem: "garbage" },
    { rootsPem: "" },
    { rootsPem: "garbage" },
  ];
  for (const damage of damages) {
    const device = new Device(await House.open());
    await joining(device);
    const { identity } = device.disk;
    assert(identity);
    await device.disk.open(CALM).save({ ...identity, ...damage });
    assertEquals(
      await code(resuming(device)),
      "damaged-state",
      Deno.inspect(damage),
    );
  }
  const device = new Device(await House.open());
  await joining(device);
  await device.house.clock.advance(400 * DAY);
  await resuming(device);
  device.house.clock.stepWall(-1_000 * DAY);
  await resuming(device);
});

Deno.test("startWorker() refuses files that do not belong together", async () => {
  const [one, other] = [
    new Device(await House.open()),
    new Device(await House.open({ label: "other" })),
  ];
  await joining(one);
  await joining(other);
  const [mine, theirs] = [one.disk.identity, other.disk.identity];
  assert(mine && theirs);
  for (const file of ["keyPem", "certificatePem", "rootsPem"] as const) {
    await one.disk.open(CALM).save({ ...mine, [file]: theirs[file] });
    assertEquals(await code(resuming(one)), "damaged-state", file);
  }
});
