import { assert, assertEquals, assertFalse } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { readCertificates } from "../../lib/pki/certificate.ts";
import { type DiskEvents, diskFull } from "../sim/sim_disk.ts";
import { newSession } from "./caller.ts";
import { House } from "./house.ts";
import { Running } from "./running.ts";

/** A disk that is full while it is told so. */
function fillable(): DiskEvents & { full: boolean } {
  const disk = {
    full: false,
    before: () => disk.full ? Promise.reject(diskFull()) : Promise.resolve(),
    after: () => Promise.resolve(),
  };
  return disk;
}

Deno.test("Manager.run() listens with a certificate of its advertised names", async () => {
  const house = await House.open();
  await house.clock.advance(400 * DAY);
  const advertise = [
    { host: "10.0.0.5" },
    { host: "m.example.com", port: 443 },
    { host: "fe80::1" },
  ];
  await using running = await Running.start(house, { advertise });
  const [first] = running.credentials;
  const [leaf] = await readCertificates(house.crypto, first?.chainPem ?? "");
  assertEquals(leaf?.ipAddresses, ["10.0.0.5", "fe80::1"]);
  assert(leaf?.dnsNames.includes("m.example.com"));
  assert((leaf?.notAfter ?? 0) > house.clock.now());
  assertEquals(house.cluster.managers, [
    "10.0.0.5:2377",
    "m.example.com:443",
    "[fe80::1]:2377",
  ]);
  assertEquals(house.manager.description?.hostname, "m");
});

Deno.test("Manager renews itself in its window, and swaps while it serves", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const due = running.manager.renewal.dueAt;
  const start = house.clock.now();
  assert(due >= start + 45 * DAY && due <= start + 72 * DAY);
  await jump(house, due - start - 2 * MINUTE);
  assertEquals(running.credentials.length, 1);
  await house.clock.advance(3 * MINUTE);
  assertEquals(running.credentials.length, 2);
  const [event] = running.events;
  assertEquals(event?.event, "renewed");
  assert(running.manager.renewal.dueAt > due);
});

Deno.test("Manager moves every session off its old certificate", async () => {
  const house = await House.open({ leafLifeMs: 10 * MINUTE });
  await using running = await Running.start(house);
  const node = await house.addNode();
  const caller = running.connect(node.chain);
  await caller.hello(newSession(house.newId()));
  while (running.credentials.length === 1) {
    assertEquals(caller.pushes("move"), []);
    caller.send({ method: "heartbeat", params: { now: 0 } });
    await house.clock.advance(5 * SECOND);
  }
  await house.clock.advance(2 * SECOND);
  const [move] = caller.pushes("move");
  assert(String(move?.["reason"]).includes("newer certificate"));
  assertFalse(caller.closed);
});

/** The wall clock alone moves on; it is looked at within a minute. */
async function jump(house: House, byMs: number): Promise<void> {
  house.clock.stepWall(byMs);
  await house.clock.advance(MINUTE);
}

Deno.test("Manager serves on with the old certificate while renewal fails", async () => {
  const house = await House.open({ leafLifeMs: HOUR });
  const disk = fillable();
  await using running = await Running.start(house, { disk });
  await house.clock.advance(20 * MINUTE);
  disk.full = true;
  await house.clock.advance(35 * MINUTE);
  assert(running.isRunning);
  assertEquals(running.credentials.length, 1);
  const { failures, lastFailure } = running.manager.renewal;
  // From at most 48 min on: the pause is at most a twentieth of what is left.
  assert(failures >= 3 && failures < 400, `${failures}`);
  assert(lastFailure?.error.includes("disk is full"));
  const status = await running.get("/v1/status");
  const { renewal } = status.body as { renewal: Record<string, unknown> };
  assertEquals(renewal["state"], "failing");
  assertEquals(renewal["failures"], failures);
  disk.full = false;
  await house.clock.advance(2 * MINUTE);
  assertEquals(running.credentials.length, 2);
  assertEquals(running.manager.renewal.failures, 0);
  assertEquals(running.manager.renewal.lastFailure, undefined);
});

Deno.test("Manager asks a signer that is away at intervals that grow", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const asked: number[] = [];
  house.signer = {
    ...house.signer,
    issue: () => {
      asked.push(house.clock.monotonic());
      return Promise.reject(new SwarmdError("signer-unavailable", "away"));
    },
  };
  void running;
  await jump(house, 72 * DAY);
  await house.clock.advance(4 * HOUR);
  // 1 s, 2 s, 4 s and so on to an hour, half of that at least.
  assert(asked.length >= 12 && asked.length <= 20, `${asked.length}`);
});

Deno.test("Manager ends overlaps: what was replaced is denied until its end", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const node = await house.addSeenNode();
  const old = house.node(node.id).certificates.current;
  await house.renew(node);
  await house.seen(node.id);
  await house.clock.advance(5 * MINUTE + 2 * SECOND);
  void running;
  assertEquals(house.node(node.id).certificates.previous, undefined);
  const [denied] = house.store.view((view) => [...view.list("denied")]);
  assertEquals(denied?.serial, old?.serial);
  assertEquals(denied?.until, old?.notAfter);
});

Deno.test("Manager forgets denied certificates within an hour of their end", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  void running;
  const now = house.clock.now();
  await house.store.update((tx) => {
    for (const [serial, until] of [["01", now + 1], ["02", now + DAY]]) {
      tx.put("denied", `aa.${serial}`, {
        issuerKeyId: "aa",
        serial: `${serial}`,
        nodeId: "n",
        reason: "removed",
        until: Number(until),
      });
    }
  });
  await house.clock.advance(HOUR + 2 * SECOND);
  const denied = house.store.view((view) => [...view.list("denied")]);
  assertEquals(denied.map(({ serial }) => serial), ["02"]);
});

// W10: who was let in and never came leaves nothing.
Deno.test("Manager forgets who was let in and never came, after a day", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  void running;
  const ghost = await house.addNode();
  const here = await house.addSeenNode();
  await jump(house, DAY - 2 * HOUR);
  await house.clock.advance(HOUR + 2 * SECOND);
  assertEquals(house.nodes.length, 3);
  await house.clock.advance(2 * HOUR);
  const ids = house.nodes.map(({ id }) => id);
  assert(ids.includes(here.id) && !ids.includes(ghost.id));
  const [denied] = house.store.view((view) => [...view.list("denied")]);
  assertEquals(denied?.nodeId, ghost.id);
});

Deno.test("Manager outlives a store whose disk is full", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const node = await house.addSeenNode();
  await house.renew(node);
  await house.seen(node.id);
  house.disk.full = true;
  await house.clock.advance(2 * HOUR);
  assert(running.isRunning);
  // Nobody is accepted for longer because of it.
  const caller = running.connect(node.chain);
  const answer = await caller.hello(newSession(house.newId()));
  assert(answer && "error" in answer);
  house.disk.full = false;
  await house.clock.advance(2 * SECOND);
  assertEquals(house.node(node.id).certificates.previous, undefined);
});

Deno.test("Manager shows who is down by its own looks", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  const node = await house.addNode();
  const caller = running.connect(node.chain);
  await caller.hello(newSession(house.newId()));
  const { sessions } = running.manager.desk;
  assertEquals(sessions.liveness(node.id), "ready");
  await house.clock.advance(17 * SECOND);
  assertEquals(sessions.liveness(node.id), "down");
});

Deno.test("Manager notices a jump of the clock within a minute", async () => {
  const house = await House.open();
  await using running = await Running.start(house);
  void running;
  house.clock.stepWall(HOUR);
  await house.clock.advance(MINUTE);
  const jumps = house.logged.filter(({ fields }) => fields["jumpMs"] === HOUR);
  assertEquals(jumps.length, 1);
});

Deno.test("Manager ends in order: sessions are told, and no timer is left", async () => {
  const house = await House.open();
  const running = await Running.start(house);
  const node = await house.addNode();
  const caller = running.connect(node.chain);
  await caller.hello(newSession(house.newId()));
  await running[Symbol.asyncDispose]();
  await house.clock.advance(50);
  assertEquals(caller.reason, "session-ended");
  assert(caller.closed);
  assertEquals(house.clock.pending, 0);
});
