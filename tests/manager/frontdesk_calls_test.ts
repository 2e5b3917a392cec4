import { assert, assertEquals, assertFalse } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { DAY, MINUTE } from "../../lib/base/time.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { turn } from "../fakes/clock.ts";
import { resultOf } from "./caller.ts";
import { House } from "./house.ts";
import { opened, type Present, present } from "./present.ts";

Deno.test("Frontdesk renews on the connection that holds the session", async () => {
  const { house, node, caller } = await opened();
  await house.clock.advance(MINUTE);
  const key = await house.crypto.generateKey();
  const csr = toBase64(await createCsr(house.crypto, key));
  const answer = await caller.askInSession("node.renew", { csr });
  assertEquals(resultOf(answer)["node"], node.id);
  assert(house.node(node.id).certificates.pending);
  // Without a session there is none.
  const idle = house.connect(node.chain);
  await idle.hello();
  assertEquals(await idle.refusal("node.renew", { csr }), "bad-message");
});

Deno.test("Frontdesk serves each method where it belongs, and no other", async () => {
  const { caller } = await opened();
  const refused = async (method: string, params: unknown = {}) =>
    await caller.refusalInSession(method, params);
  assertEquals(await refused("hello", { protocols: [1] }), "bad-message");
  assertEquals(await refused("heartbeat", { now: 1 }), "bad-message");
  assertEquals(await refused("join"), "role");
  assertEquals(await refused("ca.root"), "role");
  assertEquals(await refused("recover"), "role");
  assertEquals(await refused("recovers"), "unknown-method");
  assertEquals(await refused("node.renew", {}), "bad-message");
  assertEquals(await refused("node.renew", { csr: "AAAA" }), "csr-refused");
  assertFalse(caller.closed);
});

Deno.test("Frontdesk takes no request for a notification, nor the other way round", async () => {
  const { house, caller, node } = await opened({ drill: true });
  await house.clock.advance(MINUTE);
  const key = await house.crypto.generateKey();
  const csr = toBase64(await createCsr(house.crypto, key));
  await caller.tell("node.renew", { csr });
  assertEquals(house.node(node.id).certificates.pending, undefined);
  for (const method of ["node.register", "drill.number"]) {
    assertEquals(await caller.refusalInSession(method), "bad-message");
  }
  assertEquals(house.node(node.id).description?.hostname, "h");
});

Deno.test("Frontdesk takes numbers only in a drill", async () => {
  const read = {
    received: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    longestGapMs: 0,
  };
  for (const drill of [false, true]) {
    const { house, caller } = await opened({ drill });
    const params = { stream: house.newId(), number: 1, read };
    await caller.tell("drill.number", params);
    assertEquals(house.drill.reports.length, drill ? 1 : 0);
  }
});

Deno.test("Frontdesk outlives every notification", async () => {
  const { house, caller, node } = await opened();
  const notes = [
    ["node.renew", { csr: "AAAA" }],
    ["node.renew", {}],
    ["node.register", {}],
    ["unheard-of", {}],
    ["join", {}],
    ["drill.number", {}],
  ] as const;
  for (const [method, params] of notes) await caller.tell(method, params);
  house.disk.full = true;
  await caller.tell("node.register", registration(house));
  // An unhandled rejection would end the process, and this test with it.
  await new Promise((resolve) => setTimeout(resolve));
  assertFalse(caller.closed);
  assertEquals(house.node(node.id).description?.hostname, "h");
  const refused = house.logged.filter(({ message }) =>
    message === "Notification refused"
  );
  assertEquals(refused.length, notes.length + 1);
});

function registration(house: House, change: Record<string, unknown> = {}) {
  return {
    hostname: "edge-7",
    os: "linux",
    arch: "arm64",
    version: "2",
    issuer: "CN=swarm-ca",
    trustRoot: `sha256:${"ab".repeat(32)}`,
    now: house.clock.now() + 90_000,
    ...change,
  };
}

Deno.test("Frontdesk registers what a node says of itself, and writes only changes", async () => {
  const { house, caller, node } = await opened();
  await caller.tell("node.register", registration(house));
  const { description, address } = house.node(node.id);
  assertEquals(description, {
    hostname: "edge-7",
    os: "linux",
    arch: "arm64",
    version: "2",
  });
  assertEquals(address, "10.0.0.9");
  const session = house.desk.sessions.of(node.id);
  assertEquals(session?.skewMs, 90_000);
  assertEquals(session?.trustRoot, `sha256:${"ab".repeat(32)}`);
  const { commits } = house.disk;
  await caller.tell("node.register", registration(house));
  assertEquals(house.disk.commits, commits);
  // Its role, its id, its certificates are not for it to say.
  const more = registration(house, { role: "manager", admission: "x" });
  await caller.tell("node.register", more);
  assertEquals(house.node(node.id).role, "worker");
});

Deno.test("Frontdesk answers beats with the next period, and measures the clock", async () => {
  const { house, caller, node } = await opened();
  await house.clock.advance(4_000);
  const now = house.clock.now() - 3_000;
  caller.send({ method: "heartbeat", params: { now } });
  await turn();
  const [beat] = caller.pushes("heartbeat");
  assertEquals(beat?.["now"], house.clock.now());
  const next = Number(beat?.["nextMs"]);
  assert(next >= 4_500 && next <= 5_500, `${next}`);
  const session = house.desk.sessions.of(node.id);
  assertEquals(session?.skewMs, -3_000);
  assertEquals(session?.lastBeat, house.clock.monotonic());
});

Deno.test("Frontdesk tells every session where the managers are, when that changes", async () => {
  const { house, caller } = await opened();
  const addresses = ["10.0.0.1:2377"];
  await house.store.update((tx) => {
    tx.put("cluster", "cluster", { ...house.cluster, managers: addresses });
  });
  await turn();
  assertEquals(caller.pushes("cluster.managers"), [{ addresses }]);
  await house.store.update((tx) => {
    tx.put("cluster", "cluster", { ...house.cluster, leafLifeMs: DAY });
  });
  await turn();
  assertEquals(caller.pushes("cluster.managers").length, 1);
});

Deno.test("Frontdesk asks a connection to move at most every 10 s", async () => {
  const { house, caller } = await opened();
  const ask = () =>
    house.desk.moveWhere(() => true, { most: 16, reason: "because" });
  for (let i = 0; i < 9; i++) {
    ask();
    await house.clock.advance(1_000);
  }
  assertEquals(caller.pushes("move"), [{ reason: "because" }]);
  await house.clock.advance(1_000);
  ask();
  await turn();
  assertEquals(caller.pushes("move").length, 2);
});

Deno.test("Frontdesk asks no more connections to move than it is to", async () => {
  const house = await House.open();
  const all: Present[] = [];
  for (let i = 0; i < 5; i++) all.push(await present(house));
  const asked = () =>
    all.filter(({ caller }) => caller.pushes("move").length > 0).length;
  house.desk.moveWhere(() => true, { most: 3, reason: "because" });
  await turn();
  assertEquals(asked(), 3);
  house.desk.moveWhere(() => false, { most: 3, reason: "because" });
  await turn();
  assertEquals(asked(), 3);
});

Deno.test("Frontdesk counts refusals, not what broke", async () => {
  const house = await House.open();
  const other = await House.open({ label: "other" });
  const stranger = await other.addSeenNode();
  house.connect().pipe.cut();
  house.connect();
  await house.clock.advance(2_100);
  assertEquals(house.desk.refusals, 0);
  await house.connect(stranger.chain).hello();
  assertEquals(house.desk.refusals, 1);
  const warned = house.logged.filter(({ level }) => level === "warn");
  assert(warned.some(({ fields }) => fields["code"] === "foreign-cluster"));
});

Deno.test("Frontdesk accepts nobody while it closes, and tells every session", async () => {
  const { house, caller } = await opened();
  house.desk.close();
  await turn();
  assertEquals(caller.reason, "session-ended");
  const late = house.connect();
  await turn();
  assert(late.closed);
});
