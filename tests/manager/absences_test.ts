import { assertEquals } from "@std/assert";
import { HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { Absences } from "../../lib/manager/absences.ts";
import { newSession } from "./caller.ts";
import { House, type TestNode } from "./house.ts";
import { present } from "./present.ts";
import { Running } from "./running.ts";

const BEAT = 5_000;

/** A manager's looks, once a second. */
async function pass(house: House, forMs: number): Promise<void> {
  for (let ms = 0; ms < forMs; ms += SECOND) {
    await house.clock.advance(SECOND);
    house.desk.sessions.sweep(BEAT);
    await house.desk.writeNotes();
  }
}

Deno.test("Absences writes down once who is gone for a minute, and who is back", async () => {
  const house = await House.open();
  const { node } = await present(house);
  const seen = house.clock.now();
  const { commits } = house.disk;
  await pass(house, 59 * SECOND);
  assertEquals(house.node(node.id).absentSince, undefined);
  assertEquals(house.disk.commits, commits);
  await pass(house, HOUR);
  assertEquals(house.node(node.id).absentSince, seen);
  assertEquals(house.disk.commits, commits + 1);
  await present(house, node);
  await house.desk.writeNotes();
  assertEquals(house.node(node.id).absentSince, undefined);
  assertEquals(house.disk.commits, commits + 2);
});

Deno.test("Absences writes nothing of a node that comes and goes", async () => {
  const house = await House.open();
  const node = await house.addSeenNode();
  await present(house, node);
  const { commits } = house.disk;
  for (let i = 0; i < 20; i++) {
    await pass(house, 30 * SECOND);
    await present(house, node);
  }
  assertEquals(house.disk.commits, commits);
});

Deno.test("Absences writes nothing of a node that was removed", async () => {
  const house = await House.open();
  const { node } = await present(house);
  await pass(house, 20 * SECOND);
  await house.remove(node.id);
  const { commits } = house.disk;
  await pass(house, 2 * MINUTE);
  assertEquals(house.disk.commits, commits);
});

Deno.test("Absences catches up when the disk takes writes again", async () => {
  const house = await House.open();
  const { node } = await present(house);
  const seen = house.clock.now();
  await pass(house, 59 * SECOND);
  house.disk.full = true;
  await house.clock.advance(SECOND);
  await house.desk.writeNotes().catch(() => {});
  house.disk.full = false;
  await house.desk.writeNotes();
  assertEquals(house.node(node.id).absentSince, seen);
});

Deno.test("Absences writes a thousand at once, and the others soon after", async () => {
  const house = await House.open();
  const known = house.node((await house.addSeenNode()).id);
  const ids = Array.from({ length: 1_500 }, (_, i) => `n${i}`);
  await house.store.update((tx) => {
    for (const id of ids) {
      tx.put("node", id, { ...known, id, certificates: {} });
    }
  });
  const absent = new Map(ids.map((id) => [id, house.clock.now()]));
  const absences = new Absences({ ...house, sessions: { absent } });
  const marked = () =>
    house.nodes.filter((each) => each.absentSince !== undefined).length;
  await house.clock.advance(MINUTE);
  const counts: number[] = [];
  for (let i = 0; i < 3; i++) {
    await absences.round();
    counts.push(marked());
  }
  absent.clear();
  for (const id of ids) absences.came(id);
  for (let i = 0; i < 3; i++) {
    await absences.round();
    counts.push(marked());
  }
  assertEquals(counts, [1_000, 1_500, 1_500, 500, 0, 0]);
});

/** Since when a rotation says that a node is down, in milliseconds. */
function downSince(running: Running, { id }: TestNode): number | undefined {
  const { heartbeatMs } = running.house.cluster;
  const { sessions } = running.manager.desk;
  return sessions.liveFacts(running.house.node(id), heartbeatMs).downSince;
}

Deno.test("Manager that was started anew knows since when nodes are gone, or since its own start", async () => {
  const house = await House.open();
  const first = await Running.start(house);
  const gone = await house.addSeenNode();
  const cut = await house.addSeenNode();
  await house.clock.advance(HOUR);
  const seen = house.clock.now();
  await first.connect(gone.chain).hello(newSession(house.newId()));
  await house.clock.advance(HOUR);
  await first.connect(cut.chain).hello(newSession(house.newId()));
  await first[Symbol.asyncDispose]();
  await house.clock.advance(HOUR);
  const started = house.clock.now();
  await using running = await Running.start(house);
  const show = async ({ id }: TestNode) => {
    const { body } = await running.get(`/v1/nodes/${id}`);
    const { status, lastSeen, downSince } = body as Record<string, string>;
    return { status, lastSeen, downSince };
  };
  assertEquals(await show(cut), {
    status: "unknown",
    lastSeen: null,
    downSince: undefined,
  } as unknown);
  assertEquals(downSince(running, cut), undefined);
  await house.clock.advance(20 * SECOND);
  assertEquals(await show(gone), {
    status: "down",
    lastSeen: iso(seen),
    downSince: iso(seen),
  });
  assertEquals(await show(cut), {
    status: "down",
    lastSeen: null,
    downSince: iso(started),
  } as unknown);
  assertEquals(downSince(running, gone), seen);
  assertEquals(downSince(running, cut), started);
});

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
