import { assert, assertEquals } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { bundleOf } from "../../lib/cluster/root_views.ts";
import { giveWord, listWaiting } from "../../lib/cluster/waiting.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import { WorkerState } from "../../lib/worker/state.ts";
import { CALM } from "../manager/house.ts";
import { operate } from "../manager/operate.ts";
import type { DiskEvents, DiskImage } from "../sim/sim_disk.ts";
import { type Device, MANAGER } from "./device.ts";
import { Fleet, type Process } from "./fleet.ts";
import { DeadlyDisk, deaths } from "./kill.ts";
import { Scripted } from "./scripted.ts";

/* The highest generation that was adopted: never ahead of what is in use. */

async function openFleet() {
  const fleet = await Fleet.open({ leafLifeMs: 2 * HOUR });
  const device = fleet.device("one");
  const process = await fleet.join(device);
  return { fleet, device, process };
}

/** What a device remembers, as it lies on its disk. */
async function remembered({ disk }: Device, id: string): Promise<number> {
  const state = await WorkerState.load(disk.open(CALM));
  return state.of(id)?.generation ?? 0;
}

/** How many roots the newest identity on a disk trusts. */
function rootsOn({ disk }: Device): number {
  return decodePem(disk.identity?.rootsPem ?? "", "CERTIFICATE").length;
}

/** Whether the last that was saved is another bundle, and nothing else. */
function isAdopting({ disk }: Device): boolean {
  const [before, last] = disk.image.content.identities.slice(-2);
  return last !== undefined && before?.certificatePem === last.certificatePem;
}

function assertAtHome(
  { house }: Fleet,
  { worker, id, what }: Pick<Process, "worker" | "id"> & {
    readonly what?: string;
  },
): void {
  const { cluster } = house;
  assertEquals(cluster.rotation, undefined, what);
  assert(worker.uplink.connected, what);
  assertEquals(worker.held.trust.bundle, bundleOf(cluster).digest, what);
  const { current } = house.node(id).certificates;
  assertEquals(current?.issuerKeyId, cluster.root.facts?.keyId, what);
}

Deno.test("Worker that dies at any write of a rotation, and goes back a bundle, is carried along", async () => {
  let wentBack = 0;
  for (const death of deaths(20)) {
    const { fleet, device, process } = await openFleet();
    await using _fleet = fleet;
    await process.stop();
    fleet.processes.length = 0;
    const disk = new DeadlyDisk(death);
    disk.died = () => device.net.pipes.forEach((pipe) => pipe.cut());
    const doomed = await fleet.run(device, disk);
    await fleet.running.manager.rotation.start({});
    await fleet.pass(20 * SECOND);
    if (!disk.dead) {
      assertAtHome(fleet, doomed);
      break;
    }
    fleet.forget(doomed);
    const what = `${Deno.inspect(death)}: ${disk.writes}`;
    if (isAdopting(device)) {
      // As a manager would have it that refused it, had it lived.
      wentBack++;
      await device.disk.open(CALM).rollBack();
    }
    const next = await fleet.run(device);
    await fleet.pass(2 * MINUTE);
    assertAtHome(fleet, { worker: next.worker, id: next.id, what });
    assertEquals(await remembered(device, next.id), 2, what);
  }
  assert(wentBack >= 4, `${wentBack}`);
});

Deno.test("Worker remembers a generation when a manager answered under it, and not before", async () => {
  const { fleet, device, process } = await openFleet();
  await using _fleet = fleet;
  const { id } = process;
  await process.stop();
  fleet.processes.length = 0;
  const early: number[] = [];
  const running = await fleet.run(device, {
    before: () => Promise.resolve(),
    after: async () => {
      if (!isAdopting(device) || rootsOn(device) < 2) return;
      early.push(await remembered(device, id));
    },
  });
  await fleet.running.manager.rotation.start({});
  await fleet.pass(20 * SECOND);
  assertAtHome(fleet, running);
  assert(early.length > 0);
  assertEquals(early.filter((each) => each > 0), []);
  assertEquals(await remembered(device, id), 2);
  assertEquals(running.worker.membership.next, undefined);
});

Deno.test("Worker that died with a new bundle on its disk remembers the generation when it is back", async () => {
  const { fleet, device, process } = await openFleet();
  await using _fleet = fleet;
  const { id } = process;
  await process.stop();
  fleet.processes.length = 0;
  const dying = dyingWithTwoRoots(device);
  const doomed = await fleet.run(device, dying.disk);
  await fleet.running.manager.rotation.start({});
  await fleet.pass(5 * SECOND);
  assert(dying.dead);
  device.net.pipes.forEach((pipe) => pipe.cut());
  fleet.forget(doomed);
  await fleet.pass(SECOND);
  assertEquals(await remembered(device, id), 0);
  const again = await fleet.run(device);
  await fleet.pass(20 * SECOND);
  assertAtHome(fleet, again);
  assertEquals(await remembered(device, id), 2);
});

/** Nothing is written any more once a bundle of two roots is on the disk. */
function dyingWithTwoRoots(device: Device) {
  const dying = { dead: false, disk: CALM as DiskEvents };
  const never = () => new Promise<void>(() => {});
  dying.disk = {
    before: () => dying.dead ? never() : Promise.resolve(),
    after: (what) => {
      if (what === "save" && rootsOn(device) === 2) dying.dead = true;
      return dying.dead ? never() : Promise.resolve();
    },
  };
  return dying;
}

Deno.test("Worker whose new bundle was refused goes back, and adopts it and later ones all the same", async () => {
  const { fleet, device, process } = await openFleet();
  await using _fleet = fleet;
  await process.stop();
  fleet.processes.length = 0;
  const real = device.net.servers.get(MANAGER);
  assert(real);
  const refusing = await Scripted.of(fleet.house);
  refusing.answers["hello"] = () => {
    throw new SwarmdError("replaced", "no");
  };
  const wrote: string[] = [];
  const running = await fleet.run(device, {
    before: () => Promise.resolve(),
    after: (what) => {
      wrote.push(what);
      const accept = refusing.accept.bind(refusing);
      const isFirst = !wrote.includes("roll back");
      if (what === "save" && isFirst && rootsOn(device) === 2) {
        device.net.servers.set(MANAGER, { chain: () => real.chain(), accept });
      } else if (what === "roll back") device.net.servers.set(MANAGER, real);
      return Promise.resolve();
    },
  });
  await fleet.running.manager.rotation.start({});
  await fleet.pass(2 * MINUTE);
  assert(wrote.includes("roll back"), `${wrote}`);
  assertAtHome(fleet, running);
  await fleet.running.manager.rotation.start({});
  await fleet.pass(2 * MINUTE);
  assertAtHome(fleet, running);
  assertEquals(fleet.house.cluster.root.generation, 3);
  assertEquals(await remembered(device, running.id), 3);
});

Deno.test("Worker that missed a rotation comes back after a kill at any write of its recovery", async () => {
  const fleet = await Fleet.open({ leafLifeMs: 2 * HOUR });
  await using _fleet = fleet;
  // Stage, expect, save, state of the connection, confirm, unstage.
  const dying = deaths(6);
  const away: { death: (typeof dying)[number]; device: Device; id: string }[] =
    [];
  for (const [i, death] of dying.entries()) {
    const device = fleet.device(`one ${i}`);
    const process = await fleet.join(device);
    away.push({ death, device, id: process.id });
    await process.stop();
  }
  fleet.processes.length = 0;
  for (const _ of [2, 3]) {
    await operate(fleet.running, "ca/rotate");
    await fleet.pass(SECOND);
    await operate(fleet.running, "ca/finish");
    await fleet.pass(10 * SECOND);
  }
  await fleet.pass(8 * DAY);
  for (const { death, device, id } of away) {
    const disk = new DeadlyDisk(death);
    disk.died = () => device.net.pipes.forEach((pipe) => pipe.cut());
    const doomed = await fleet.run(device, disk);
    for (let i = 0; i < 20 && !disk.dead; i++) await fleet.pass(SECOND);
    const what = `${Deno.inspect(death)}: ${disk.writes}`;
    assert(disk.dead, what);
    fleet.forget(doomed);
    await fleet.pass(5 * SECOND);
    const again = await fleet.run(device);
    await fleet.pass(10 * SECOND);
    assertEquals(again.id, id, what);
    assertAtHome(fleet, { worker: again.worker, id, what });
    assertEquals(await remembered(device, id), 3, what);
    await again.stop();
    fleet.processes.length = 0;
  }
});

Deno.test("Worker that remembers a generation above the roots on its disk walks up to it", async () => {
  const { fleet, device, process } = await openFleet();
  await using _fleet = fleet;
  const { id } = process;
  let old: DiskImage | undefined;
  for (const generation of [2, 3]) {
    await fleet.running.manager.rotation.start({});
    await fleet.pass(20 * SECOND);
    assertEquals(fleet.house.cluster.root.generation, generation);
    old ??= device.disk.image;
  }
  await process.stop();
  fleet.processes.length = 0;
  // The folders of the identity went back, and state.json did not.
  const { state } = device.disk.image.content;
  device.disk.restore({
    content: { ...(old ?? device.disk.image).content, state },
  });
  assertEquals(await remembered(device, id), 3);
  await fleet.pass(8 * DAY);
  // Its certificate is not the newest any more: an operator has to look.
  const again = await fleet.run(device);
  await fleet.pass(MINUTE);
  const { house } = fleet;
  const now = house.clock.now();
  const [applicant] = house.store.view((view) => listWaiting(view, now));
  assertEquals(applicant?.nodeId, id);
  await house.store.update((tx) => {
    if (applicant) {
      giveWord(tx, { applicant, word: "accepted", by: "operator", now });
    }
  });
  await fleet.pass(2 * MINUTE);
  assertAtHome(fleet, again);
});
