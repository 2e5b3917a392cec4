import { assert, assertEquals, assertFalse } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { DAY, MINUTE } from "../../lib/base/time.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { turn } from "../fakes/clock.ts";
import { type Caller, codeOf, newSession, resultOf } from "./caller.ts";
import { House, type HouseOptions, type TestNode } from "./house.ts";

/** A node with an open session. */
interface Present {
  readonly node: TestNode;
  readonly caller: Caller;
  readonly session: string;
}

async function present(house: House, given?: TestNode): Promise<Present> {
  const node = given ?? await house.addNode();
  const caller = house.connect(node.chain);
  const session = house.newId();
  const hello = await caller.hello(newSession(session));
  assert(hello && "result" in hello, Deno.inspect(hello));
  return { node, caller, session };
}

async function opened(options: HouseOptions = {}) {
  const house = await House.open(options);
  return { house, ...await present(house) };
}

/** The same session on another connection. */
async function resume(
  house: House,
  { session, node, lastSeen = 0 }: Omit<Present, "caller"> & {
    readonly lastSeen?: number;
  },
) {
  const caller = house.connect(node.chain);
  const wanted = newSession(session, { resume: true, lastSeen });
  return { caller, answer: await caller.hello(wanted) };
}

function sessionIn(answer: Awaited<ReturnType<Caller["hello"]>>): unknown {
  return answer && "result" in answer
    ? (answer.result as Record<string, unknown>)["session"]
    : codeOf(answer);
}

Deno.test("Frontdesk opens the session that a node asks for", async () => {
  const house = await House.open();
  const { caller, node, session } = await present(house);
  const held = house.desk.sessions.of(node.id);
  assertEquals(held?.id, session);
  assertEquals(house.desk.sessions.liveness(node.id), "ready");
  assertEquals(sessionIn(caller.answerTo(1)), {
    id: session,
    resumed: false,
    lastSeen: 0,
  });
  // The answer comes first, before anything of the session.
  const [first] = caller.received;
  assert(first && "id" in first && first.id === 1);
});

Deno.test("Frontdesk makes current what a connection presents, durably, once", async () => {
  const house = await House.open();
  const node = await house.addNode();
  house.disk.full = true;
  const failed = house.connect(node.chain);
  const wanted = newSession(house.newId());
  assertEquals(codeOf(await failed.hello(wanted)), "disk");
  assert(house.node(node.id).certificates.pending);
  assertEquals(house.desk.sessions.of(node.id), undefined);
  house.disk.full = false;
  await present(house, node);
  const { current, pending } = house.node(node.id).certificates;
  assert(current && !pending);
  assertEquals(house.node(node.id).firstSeen, house.clock.now());
  await present(house, node);
  const promotions = (await house.audited()).filter((a) => a === "promoted");
  // The manager's own, and this one.
  assertEquals(promotions.length, 2);
});

Deno.test("Frontdesk moves a node to its new certificate, then cuts the old", async () => {
  const house = await House.open();
  const before = await present(house);
  const other = await present(house);
  const renewed = await house.renew(before.node);
  const after = await resume(house, { ...before, node: renewed });
  assertEquals(sessionIn(after.answer), {
    id: before.session,
    resumed: true,
    lastSeen: 0,
  });
  // The session left the old connection, which ends in order.
  assert(before.caller.closed);
  assertEquals(before.caller.reason, undefined);
  const { current, previous } = house.node(before.node.id).certificates;
  assertEquals(previous?.until, house.clock.now() + 5 * MINUTE);
  assert(current?.fingerprint !== previous?.fingerprint);
  await house.clock.advance(6 * MINUTE);
  house.desk.sweep();
  await turn();
  assertFalse(after.caller.closed);
  assertFalse(other.caller.closed);
});

Deno.test("Frontdesk asks a connection with a replaced certificate to move, and cuts it after the overlap", async () => {
  const { house, node, caller } = await opened();
  await house.renew(node);
  await house.seen(node.id);
  // Most often it leaves by itself, in the turn after this.
  assertEquals(caller.pushes("move").length, 0);
  house.desk.sweep();
  await turn();
  assertEquals(caller.pushes("move").length, 1);
  assertFalse(caller.closed);
  await house.clock.advance(5 * MINUTE - 1);
  house.desk.sweep();
  await turn();
  assertFalse(caller.closed);
  await house.clock.advance(1);
  house.desk.sweep();
  await house.clock.advance(50);
  assertEquals(caller.reason, "replaced");
  assert(caller.closed);
});

Deno.test("Frontdesk lets a replaced certificate start nothing", async () => {
  const { house, node, caller, session } = await opened();
  await house.renew(node);
  await house.seen(node.id);
  // On its open connection: what runs may end, but no call begins.
  assertEquals(
    await caller.refusalInSession("node.renew", { csr: "AAAA" }),
    "replaced",
  );
  assertFalse(caller.closed);
  // On a new one: neither a new session nor the old one.
  for (const resume of [true, false]) {
    const again = house.connect(node.chain);
    const wanted = newSession(session, { resume });
    assertEquals(codeOf(await again.hello(wanted)), "replaced");
    await house.clock.advance(50);
    assert(again.closed);
  }
});

Deno.test("Frontdesk tells a node why its certificate is none any more", async () => {
  const { house, node, session } = await opened();
  await house.renew(node);
  await house.seen(node.id);
  await house.clock.advance(6 * MINUTE);
  const cases = [
    [() => house.clock.advance(0), "replaced"],
    [() => house.clock.advance(91 * DAY), "expired"],
  ] as const;
  for (const [passes, code] of cases) {
    await passes();
    const { caller, answer } = await resume(house, { node, session });
    assertEquals(codeOf(answer), code);
    assertEquals(caller.reason, code);
  }
});

Deno.test("Frontdesk cuts every connection of a node that is frozen or removed, and no other", async () => {
  const cases = [
    ["suspended", (h: House, id: string) => h.change(id, FROZEN.suspended)],
    ["conflict", (h: House, id: string) => h.change(id, FROZEN.conflict)],
    ["removed", (h: House, id: string) => h.remove(id)],
  ] as const;
  for (const [code, happens] of cases) {
    const { house, node, caller } = await opened();
    const idle = house.connect(node.chain);
    await idle.hello();
    const other = await present(house);
    await happens(house, node.id);
    for (const each of [caller, idle]) {
      assertEquals(each.reason, code);
      await house.clock.advance(50);
      assert(each.closed);
    }
    assertFalse(other.caller.closed);
    // At the next dial it is told by name.
    const again = house.connect(node.chain);
    const name = code === "removed" ? "unknown-node" : code;
    assertEquals(codeOf(await again.hello(newSession(house.newId()))), name);
  }
});

const FROZEN = {
  suspended: { admission: "suspended" },
  conflict: { admission: "conflict" },
} as const;

Deno.test("Frontdesk gives no session to a node that is frozen while it is judged", async () => {
  for (const admission of ["suspended", "conflict"] as const) {
    const house = await House.open();
    const node = await house.addSeenNode();
    const caller = house.connect(node.chain);
    const session = newSession(house.newId());
    const params = { protocols: [1], version: "1", features: [], session };
    caller.send({ id: 1, method: "hello", params });
    const record = { ...house.node(node.id), admission };
    void house.store.update((tx) => tx.put("node", node.id, record));
    await turn();
    assertEquals(caller.reason, admission);
    assertEquals(house.desk.sessions.of(node.id)?.connection, undefined);
  }
});

Deno.test("Frontdesk judges a demoted manager's open connection at once", async () => {
  const house = await House.open();
  const { node, caller } = await present(house, await house.addNode("manager"));
  const role = () =>
    house.desk.sessions.of(node.id)?.connection?.nodePeer?.role;
  assertEquals(role(), "manager");
  await house.change(node.id, { role: "worker" });
  assertEquals(role(), "worker");
  assertFalse(caller.closed);
  // A promoted worker needs the new certificate first.
  const worker = await present(house);
  await house.change(worker.node.id, { role: "manager" });
  const held = house.desk.sessions.of(worker.node.id);
  assertEquals(held?.connection?.nodePeer?.role, "worker");
});

Deno.test("Frontdesk closes a connection whose certificate has ended", async () => {
  const { house, caller } = await opened({ leafLifeMs: 10_000 });
  await house.clock.advance(9_999);
  house.desk.sweep();
  await turn();
  assertEquals(caller.reason, undefined);
  await house.clock.advance(1);
  house.desk.sweep();
  await turn();
  assertEquals(caller.reason, "expired");
});

Deno.test("Frontdesk answers a session that it does not know, and the node opens another", async () => {
  const cases = [
    { resume: true, id: "9".repeat(25) },
    { resume: true, instance: "j".repeat(25) },
  ];
  for (const change of cases) {
    const { house, node, session, caller } = await opened();
    const next = house.connect(node.chain);
    const wanted = newSession(session, change);
    assertEquals(sessionIn(await next.hello(wanted)), {
      id: wanted["id"],
      resumed: false,
      lastSeen: 0,
    });
    // It goes on where it is until the node has another.
    assertFalse(caller.closed);
    assertEquals(house.desk.sessions.of(node.id)?.id, session);
    const id = house.newId();
    const fresh = await next.hello(newSession(id));
    assertEquals(sessionIn(fresh), { id, resumed: false, lastSeen: 0 });
    assertEquals(house.desk.sessions.of(node.id)?.id, id);
  }
});

Deno.test("Frontdesk resumes no other node's session", async () => {
  const { house, session } = await opened();
  const thief = await house.addSeenNode();
  const { answer } = await resume(house, { node: thief, session });
  assertEquals(sessionIn(answer), { id: session, resumed: false, lastSeen: 0 });
});

Deno.test("Frontdesk ends a session that is resumed from a number that cannot be", async () => {
  const { house, node, session, caller } = await opened();
  const { caller: next } = await resume(house, {
    node,
    session,
    lastSeen: 7,
  });
  await house.clock.advance(50);
  assertEquals(next.reason, "session-ended");
  assert(next.closed);
  // The next hello begins a new one, and nothing of the old is left.
  assertEquals(house.desk.sessions.of(node.id), undefined);
  assert(caller.closed);
  await present(house, node);
});

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
  assertEquals(await refused("recover"), "unknown-method");
  assertEquals(await refused("node.renew", {}), "bad-message");
  assertEquals(await refused("node.renew", { csr: "AAAA" }), "csr-refused");
  assertFalse(caller.closed);
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
