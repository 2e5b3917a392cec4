import { assert, assertEquals } from "@std/assert";
import { HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import type {
  ManagerStatus,
  RehearsalSummary,
  RotationSummary,
} from "../../lib/cluster/local_api.ts";
import { Fleet } from "../worker/fleet.ts";
import { AUTHORITY, foreignRoot, reading } from "./foreign_root.ts";
import { House } from "./house.ts";
import { operate } from "./operate.ts";
import { Running } from "./running.ts";

async function statusOf(running: Running): Promise<RotationSummary> {
  return (await running.get("/v1/ca/status")).body as RotationSummary;
}

async function openFleet(...names: readonly string[]): Promise<Fleet> {
  const house = await House.open({ leafLifeMs: 24 * HOUR });
  const source = await foreignRoot(house, "Corporate");
  reading(house, () => Promise.resolve(source));
  const fleet = new Fleet(house, await Running.start(house));
  for (const name of names) await fleet.join(fleet.device(name));
  return fleet;
}

Deno.test("a rotation that ended at its deadline is told with its stragglers, also after a restart", async () => {
  const fleet = await openFleet("a", "b", "away");
  const { house, running } = fleet;
  const away = fleet.processes.pop();
  await away?.stop();
  const wish = { deadlineMs: 10 * MINUTE, quorum: 0.5 };
  const { id } = await operate(running, "ca/rotate", wish);
  await fleet.pass(11 * MINUTE);
  const told = await statusOf(running);
  assertEquals(told.phase, "stable");
  const { lastRotation: last } = told;
  assertEquals([last?.id, last?.outcome], [id, "finished"]);
  assertEquals(last?.root, told.root);
  assertEquals(last?.stragglers?.map(({ node }) => node), [away?.id]);
  assert(last?.stragglers?.[0]?.reason.startsWith("down since "));
  await fleet[Symbol.asyncDispose]();
  await using again = await Running.start(house);
  assertEquals((await statusOf(again)).lastRotation, last);
  const entries = await house.store.entries("audit", {
    after: 0,
    limit: 1_000,
  });
  const steps = entries.filter(({ action }) => action === "rotation");
  assertEquals(steps.map(({ by, why }) => `${by}: ${why}`), [
    `operator: rotation ${id} begins`,
    `manager: rotation ${id} is cross-signed anew`,
    `manager: rotation ${id} is trusting`,
    `manager: rotation ${id} finished, 1 left behind`,
  ]);
  // While another is under way only how it ended
  await operate(again, "ca/rotate");
  const { lastRotation } = await statusOf(again);
  assertEquals([lastRotation?.id, lastRotation?.stragglers], [id, undefined]);
});

Deno.test("a deadline that passes without the quorum is an alarm until somebody sees to it", async () => {
  await using fleet = await openFleet("a", "away");
  const { running, house } = fleet;
  const away = fleet.processes.pop();
  await away?.stop();
  const alarms = async () => [
    ...((await running.get("/v1/status")).body as ManagerStatus).alarms,
    ...(await statusOf(running)).alarms ?? [],
  ];
  const wish = { deadlineMs: 10 * MINUTE, quorum: 1 };
  await operate(running, "ca/rotate", wish);
  await fleet.pass(9 * MINUTE);
  assertEquals(await alarms(), []);
  await fleet.pass(2 * MINUTE);
  const found = await alarms();
  assertEquals(found.length, 2);
  for (const text of found) {
    assert(text.includes("1 of 3 nodes"), text);
    assert(text.includes(away?.id ?? "?"), text);
    assert(text.includes("`swarmd ca finish`"), text);
  }
  await fleet.pass(HOUR);
  const logged = house.logged.filter(({ message }) => found[0] === message);
  assertEquals(logged.map(({ level }) => level), ["error"]);
  await operate(running, "ca/finish");
  await fleet.pass(2 * MINUTE);
  assertEquals(await alarms(), []);
  assertEquals((await statusOf(running)).lastRotation?.stragglers?.length, 1);
});

Deno.test("a phase that begins after the deadline is no alarm before it has lasted a minute", async () => {
  await using fleet = await openFleet("a", "away");
  const { running, house } = fleet;
  await fleet.processes.pop()?.stop();
  const errors = () =>
    house.logged.filter(({ level }) => level === "error").length;
  const alarms = async () => (await statusOf(running)).alarms ?? [];
  await operate(running, "ca/rotate", { deadlineMs: 0, quorum: 1 });
  await fleet.pass(MINUTE - SECOND);
  assertEquals([errors(), await alarms()], [0, []]);
  await fleet.pass(2 * SECOND);
  assertEquals([errors(), (await alarms()).length], [1, 1]);
});

Deno.test("a rehearsal finds what is in the way of the rotation that is wished, and writes nothing", async () => {
  await using fleet = await openFleet("a", "b");
  const { house, running } = fleet;
  const records = () => ({
    cluster: house.cluster,
    held: house.nodes.map(({ certificates, trusts }) => [certificates, trusts]),
  });
  const before = records();
  const rehearse = async (wish: unknown) => {
    const working = operate(running, "ca/rehearse", wish);
    await fleet.pass(SECOND);
    return await working as unknown as RehearsalSummary;
  };
  const plain = await rehearse({});
  assertEquals(plain, { ready: 2, problems: [], absent: [] });
  const given = await rehearse({ authority: AUTHORITY });
  assert(given.target?.startsWith("sha256:"));
  assertEquals(given.ready, 2);
  const needless = await rehearse({ trustFirst: true });
  assert(needless.obstacle?.includes("present root is the cluster's own"));
  assertEquals(records(), before);

  await operate(running, "ca/rotate", { authority: AUTHORITY });
  await fleet.pass(2 * MINUTE);
  assertEquals(house.cluster.root.generation, 2);
  const same = await rehearse({ authority: AUTHORITY });
  assert(same.obstacle !== undefined, "the authority is the present one");
  const trusting = await rehearse({ trustFirst: true });
  assertEquals(trusting, { ready: 2, problems: [], absent: [] });
});

Deno.test("a rehearsal names nodes of versions that cannot follow, connected or not", async () => {
  await using fleet = await openFleet("a", "b", "away");
  const { house, running } = fleet;
  const [old, , away] = fleet.processes.map(({ id }) => id);
  await fleet.processes.pop()?.stop();
  for (const id of [old ?? "", away ?? ""]) {
    const description = { hostname: "h", os: "", arch: "", version: "0.0.9" };
    await house.change(id, { description });
  }
  const working = operate(running, "ca/rehearse");
  await fleet.pass(SECOND);
  const reason = "runs version 0.0.9, want 0.1.0 or later to follow a rotation";
  const { problems, ...others } = await working;
  assertEquals(others, { ready: 1, absent: [away] });
  const found = problems as { node: string; reason: string }[];
  assertEquals(
    new Map(found.map(({ node, reason }) => [node, reason])),
    new Map([[old ?? "", reason], [away ?? "", reason]]),
  );
});
