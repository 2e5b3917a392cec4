import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { HOUR, MINUTE } from "../../lib/base/time.ts";
import { hasSigner } from "../../lib/cluster/root_record.ts";
import type { AuthoritySource } from "../../lib/manager/authority_source.ts";
import type { RotationWish } from "../../lib/manager/rotation_orders.ts";
import { Fleet, type Process } from "../worker/fleet.ts";
import { AUTHORITY, foreignRoot, reading } from "./foreign_root.ts";
import { House } from "./house.ts";
import { operate } from "./operate.ts";
import { Running } from "./running.ts";

const DAY_USES = { role: "worker", lifeMs: 24 * HOUR, uses: 5 };

/** A fleet of a foreign root, one node of which is another manager. */
async function openFleet() {
  const house = await House.open({ leafLifeMs: 24 * HOUR });
  const sources: AuthoritySource[] = [];
  for (const name of ["Corporate", "Group"]) {
    sources.push(await foreignRoot(house, name));
  }
  reading(house, () => Promise.resolve(sources.shift() ?? never()));
  const fleet = new Fleet(house, await Running.start(house));
  const devices = ["stays", "late", "second"].map((name) => fleet.device(name));
  const [stays, late, second] = devices;
  assert(stays && late && second);
  for (const device of devices) await fleet.join(device);
  await fleet.running.manager.rotation.start({ authority: AUTHORITY });
  await fleet.pass(2 * MINUTE);
  assertEquals(house.cluster.root.generation, 2);
  await operate(fleet.running, "nodes/promote", { id: at(fleet, 2).id });
  await fleet.pass(2 * MINUTE);
  return { fleet, house, stays, late, second };
}

function at({ processes }: Fleet, index: number): Process {
  return processes[index] ?? never();
}

function never(): never {
  throw new Error("There are no more of them");
}

async function stop(fleet: Fleet, index: number): Promise<void> {
  const [process] = fleet.processes.splice(index, 1);
  await process?.stop();
}

/**
 * Rotates up to `switching`, which the second manager holds: it trusts both
 * roots, and is off when it should renew.
 */
async function untilSwitching(
  { fleet, late }: Awaited<ReturnType<typeof openFleet>>,
  wish: RotationWish,
): Promise<void> {
  await stop(fleet, 1);
  await fleet.running.manager.rotation.start({ ...wish, trustFirst: true });
  await fleet.pass(2 * MINUTE);
  assertEquals(fleet.house.cluster.rotation?.phase, "trusting");
  await stop(fleet, 1);
  await fleet.run(late);
  await fleet.pass(MINUTE);
  assertEquals(fleet.house.cluster.rotation?.phase, "switching");
}

async function createToken(fleet: Fleet): Promise<string> {
  return String(
    (await operate(fleet.running, "tokens/create", DAY_USES)).token,
  );
}

/** Everybody is under the present root, and trusts it alone. */
function assertBack(fleet: Fleet, isOff: readonly string[] = []): void {
  const { cluster, nodes } = fleet.house;
  const { keyId, bundle } = cluster.root.facts ?? {};
  assertEquals([cluster.root.generation, cluster.rotation], [2, undefined]);
  assertEquals(cluster.lastRotation?.outcome, "aborted");
  for (const { id, trusts, certificates: { current, pending } } of nodes) {
    assertEquals([current?.issuerKeyId, pending], [keyId, undefined], id);
    if (!isOff.includes(id)) assertEquals(trusts, bundle, id);
  }
  for (const { worker } of fleet.processes) {
    assertEquals(worker.held.trust.bundle, bundle);
    assert(worker.uplink.connected);
  }
}

for (
  const [name, wish] of [
    ["an own root", {}],
    ["a foreign one", { authority: AUTHORITY }],
  ] as const
) {
  Deno.test(`RotationDesk recalls who joined in switching, and takes the managers back last: from ${name}`, async () => {
    const opened = await openFleet();
    const { house, second } = opened;
    await using fleet = opened.fleet;
    const { id: off } = at(fleet, 2);
    const early = await createToken(fleet);
    await untilSwitching(opened, wish);
    const during = await house.tokens.show("worker");
    const created = await createToken(fleet);
    const device = fleet.device("joiner");
    const joiner = await fleet.join(device);
    // Long enough to be asked again, if it were asked for what it cannot take
    await fleet.pass(20 * MINUTE);
    const { rotation: before } = house.cluster;
    const { facts } = before?.target ?? {};
    assertEquals(
      house.node(joiner.id).trusts,
      facts?.own ? facts.bundle : before?.both,
    );
    assertEquals(facts?.own, name === "an own root" ? true : undefined);
    assertEquals(device.logged.filter(({ level }) => level === "error"), []);
    assertEquals(before?.phase, "switching");
    assertEquals(before && hasSigner(before.target), true);
    const { keyId } = before?.target.facts ?? {};
    const key = before?.target.key?.data ?? "?";
    for (const id of [house.manager.id, joiner.id]) {
      assertEquals(house.node(id).certificates.current?.issuerKeyId, keyId);
    }

    await fleet.running.manager.rotation.abort();
    assertEquals(house.cluster.rotation?.phase, "recalling");
    assertEquals(await house.tokens.show("worker"), during);
    await fleet.pass(MINUTE);
    assertBack(fleet, [off]);
    assert(!JSON.stringify(house.cluster).includes(key));
    assert(await house.tokens.show("worker") !== during);
    for (const token of [during, created]) {
      const refused = fleet.device("refused").join({ token });
      await assertRejects(() => refused, Error);
    }
    await fleet.device("anew").join({ token: early });
    await fleet.run(second);
    await fleet.pass(MINUTE);
    assertEquals(house.node(off).trusts, house.cluster.root.facts?.bundle);
    const names = opened.stays.events.map(({ event }) => event);
    assert(!names.includes("disconnected"));
  });
}

/** Recalled, and held by a joiner that is off. */
async function untilHeld(wish: RotationWish) {
  const opened = await openFleet();
  const { fleet } = opened;
  await untilSwitching(opened, wish);
  const device = fleet.device("joiner");
  const joiner = await fleet.join(device);
  await fleet.pass(MINUTE);
  await stop(fleet, fleet.processes.indexOf(joiner));
  await fleet.pass(MINUTE);
  await operate(fleet.running, "ca/abort");
  await fleet.pass(MINUTE);
  const progress = await fleet.running.manager.rotation.progress();
  assertEquals(progress?.phase, "recalling");
  assertEquals(progress?.stragglers.map(({ node }) => node), [joiner.id]);
  return { ...opened, device, joiner };
}

Deno.test("RotationDesk ends a recall without who is off when told to, and has it recover if it trusts both", async () => {
  const opened = await untilHeld({ authority: AUTHORITY });
  await using fleet = opened.fleet;
  const { running, house } = fleet;
  const off = house.nodes.filter(({ role, id }) =>
    role === "manager" && id !== house.manager.id
  ).map(({ id }) => id);
  const again = running.manager.rotation.start({ trustFirst: true });
  await assertRejects(() => again, SwarmdError, "one rotation must end");
  const { deadline } = house.cluster.rotation ?? {};
  await operate(running, "ca/abort");
  assertEquals(house.cluster.rotation?.deadline, deadline);
  await operate(running, "ca/finish");
  await fleet.pass(MINUTE);
  const { lastRotation } = house.cluster;
  assertEquals(lastRotation?.outcome, "aborted");
  const { stragglers = [] } = lastRotation ?? {};
  assertEquals(stragglers.map(({ node }) => node), [opened.joiner.id]);
  const back = await fleet.run(opened.device);
  await fleet.pass(5 * MINUTE);
  assertEquals(back.id, opened.joiner.id);
  assertBack(fleet, off);
});

Deno.test("RotationDesk ends a recall at its own deadline by the quorum", async () => {
  const { fleet: opened, joiner } = await untilHeld({ quorum: 0.7 });
  await using fleet = opened;
  const { cluster } = fleet.house;
  assertEquals(
    cluster.rotation?.deadline,
    fleet.house.clock.now() + 24 * HOUR - MINUTE,
  );
  await fleet.pass(24 * HOUR);
  const { root, rotation, lastRotation } = fleet.house.cluster;
  assertEquals([root.generation, rotation], [2, undefined]);
  const { stragglers = [] } = lastRotation ?? {};
  assertEquals(stragglers.map(({ node }) => node), [joiner.id]);
});

Deno.test("RotationDesk carries nobody over who had not adopted the root that is cut off", async () => {
  const house = await House.open();
  await using fleet = new Fleet(house, await Running.start(house));
  for (const name of ["a", "b"]) await fleet.join(fleet.device(name));
  await fleet.pass(MINUTE);
  const ids = fleet.processes.map(({ id }) => id).toSorted();
  const { rotation } = fleet.running.manager;
  const [first, second] = [
    await rotation.cutOff({ cutAll: false }),
    await rotation.cutOff({ cutAll: false }),
  ];
  assertEquals([first.carried.toSorted(), first.left], [ids, []]);
  assertEquals([second.carried, second.left.toSorted()], [[], ids]);
  for (const { reason } of second.stragglers) {
    assertStringIncludes(reason, "had not adopted the root");
  }
});

Deno.test("RotationDesk cuts both roots off while one is recalled", async () => {
  const { fleet: opened } = await untilHeld({});
  await using fleet = opened;
  const { root, rotation } = fleet.house.cluster;
  const both = [root, rotation?.target].map((each) =>
    each?.facts?.keyId ?? never()
  );
  const { carried } = await fleet.running.manager.rotation
    .cutOff({ cutAll: false });
  assertEquals(carried.length, 2);
  await fleet.pass(MINUTE);
  const { cluster } = fleet.house;
  assertEquals([cluster.root.generation, cluster.rotation], [4, undefined]);
  assertEquals(cluster.compromised, both);
  for (const { worker } of fleet.processes) {
    assertEquals(worker.held.trust.bundle, cluster.root.facts?.bundle);
  }
});
