import { assert, assertEquals, assertFalse } from "@std/assert";
import { MINUTE, SECOND } from "../../lib/base/time.ts";
import { turn } from "../fakes/clock.ts";
import { type Caller, codeOf, newSession } from "./caller.ts";
import { House, type TestNode } from "./house.ts";

const BEAT = 5_000;

async function dial(
  house: House,
  node: TestNode,
  options: {
    readonly instance?: string;
    readonly host?: string;
    readonly session?: string;
    readonly resume?: boolean;
  } = {},
): Promise<Caller> {
  const { session = house.newId(), instance = "a", resume = false } = options;
  const caller = house.connect(node.chain, options.host);
  const named = { instance: instance.padEnd(25, "0"), resume };
  await caller.hello(newSession(session, named));
  return caller;
}

/** Lets time pass with beats of a caller, and the manager's looks. */
async function live(
  house: House,
  [caller, forMs]: readonly [Caller | undefined, number],
): Promise<void> {
  const end = house.clock.monotonic() + forMs;
  while (house.clock.monotonic() < end) {
    const now = house.clock.now();
    caller?.send({ method: "heartbeat", params: { now } });
    await turn();
    await house.clock.advance(SECOND);
    house.desk.sessions.sweep(BEAT);
    await turn();
  }
}

Deno.test("Sessions know nothing of nodes that were never here", async () => {
  const { desk: { sessions } } = await House.open();
  assertEquals(sessions.liveness("x"), "unknown");
  assertEquals(sessions.lastSeen("x"), undefined);
  assertEquals(sessions.of("x"), undefined);
});

Deno.test("Sessions.sweep() shows a node down after three missed beats, and ready on return", async () => {
  const house = await House.open();
  const { sessions } = house.desk;
  const node = await house.addNode();
  const session = house.newId();
  const caller = await dial(house, node, { session });
  await live(house, [caller, MINUTE]);
  assertEquals(sessions.liveness(node.id), "ready");
  await live(house, [undefined, 14 * SECOND]);
  assertEquals(sessions.liveness(node.id), "ready");
  await live(house, [undefined, 2 * SECOND]);
  assertEquals(sessions.liveness(node.id), "down");
  const seen = sessions.lastSeen(node.id);
  assertEquals(house.clock.now() - (seen ?? 0), 17 * SECOND);
  // Half-open: the connection would never tell by itself.
  await house.clock.advance(50);
  assertEquals(caller.reason, "timed-out");
  assert(caller.closed);
  // The session waits; the node resumes it, and is back.
  const back = await dial(house, node, { session, resume: true });
  assertFalse(back.closed);
  assertEquals(sessions.liveness(node.id), "ready");
  assertEquals(sessions.of(node.id)?.id, session);
});

Deno.test("Sessions keep a silent session 10 min, then end it", async () => {
  const house = await House.open();
  const { sessions } = house.desk;
  const node = await house.addNode();
  const session = house.newId();
  await dial(house, node, { session });
  await live(house, [undefined, 10 * MINUTE + 14 * SECOND]);
  assertEquals(sessions.of(node.id)?.id, session);
  await live(house, [undefined, 3 * SECOND]);
  assertEquals(sessions.of(node.id), undefined);
  assertEquals(sessions.liveness(node.id), "down");
  const late = await dial(house, node, { session, resume: true });
  const [answer] = late.received;
  assert(answer && "result" in answer);
  const { session: theirs } = answer.result as Record<string, unknown>;
  assertEquals(theirs, { id: session, resumed: false, lastSeen: 0 });
  assertEquals(sessions.liveness(node.id), "down");
});

Deno.test("Sessions keep a session over the end of its connection", async () => {
  const house = await House.open();
  const { sessions } = house.desk;
  const node = await house.addNode();
  const session = house.newId();
  const caller = await dial(house, node, { session });
  caller.pipe.cut();
  await turn();
  assertEquals(sessions.of(node.id)?.connection, undefined);
  // A short loss is invisible.
  assertEquals(sessions.liveness(node.id), "ready");
  // What is pushed meanwhile is not lost.
  const pushed = { addresses: ["10.0.0.1:2377"] };
  sessions.push(node.id, "cluster.managers", pushed);
  const back = await dial(house, node, { session, resume: true });
  assertEquals(back.pushes("cluster.managers"), [pushed]);
});

Deno.test("Sessions let the newest win, and tell the loser by whom", async () => {
  const house = await House.open();
  const node = await house.addNode();
  const old = await dial(house, node);
  const second = house.newId();
  const next = await dial(house, node, {
    session: second,
    instance: "b",
    host: "10.0.0.77",
  });
  await house.clock.advance(50);
  assertEquals(old.reason, "conflict");
  const [words] = old.pushes("close");
  assert(String(words?.["message"]).includes("10.0.0.77"));
  assert(old.closed);
  assertFalse(next.closed);
  assertEquals(house.desk.sessions.of(node.id)?.id, second);
  assertEquals(house.desk.sessions.size, 1);
});

Deno.test("Sessions take a device that restarts for no conflict", async () => {
  const house = await House.open();
  const node = await house.addNode();
  for (let i = 0; i < 50; i++) {
    await dial(house, node, { instance: `boot${i}` });
    await house.clock.advance(SECOND);
  }
  assertEquals(house.node(node.id).admission, "active");
});

Deno.test("Sessions take one process that begins anew, again and again, for no conflict", async () => {
  const house = await House.open();
  const node = await house.addNode();
  for (let i = 0; i < 20; i++) {
    const caller = await dial(house, node, { instance: "same" });
    assertFalse(caller.closed);
  }
  assertEquals(house.node(node.id).admission, "active");
});

Deno.test("Sessions freeze a node that two machines use, and name both", async () => {
  const house = await House.open();
  const node = await house.addNode();
  const hosts = { a: "10.0.0.1", b: "10.0.0.2" };
  let dialled = 0;
  let last = await dial(house, node, { instance: "a", host: hosts.a });
  while (house.node(node.id).admission === "active" && dialled < 20) {
    const instance = dialled++ % 2 === 0 ? "b" : "a";
    last = await dial(house, node, { instance, host: hosts[instance] });
    await house.clock.advance(SECOND);
  }
  assertEquals(house.node(node.id).admission, "conflict");
  // b, then four returns.
  assertEquals(dialled, 5);
  assertEquals(last.reason, "conflict");
  assert(last.closed);
  assertEquals(house.desk.sessions.of(node.id)?.connection, undefined);
  const { conflict } = house.node(node.id);
  assertEquals(conflict?.addresses, [hosts.b, hosts.a]);
  assertEquals(conflict?.at, house.clock.now() - SECOND);
  const entries = await house.store.entries("audit", { after: 0, limit: 99 });
  const entry = entries.find(({ action }) => action === "conflict");
  for (const host of Object.values(hosts)) {
    assert(entry?.why?.includes(host), entry?.why);
  }
  // Neither of them comes in, renews, or opens a session any more.
  const again = house.connect(node.chain);
  const answer = await again.hello(newSession(house.newId()));
  assertEquals(codeOf(answer), "conflict");
});

Deno.test("Sessions hold one session of a node, however many ask at once", async () => {
  const house = await House.open();
  const node = await house.addNode();
  await dial(house, node, { instance: "old" });
  const callers = Array.from({ length: 5 }, (_, i) => {
    const caller = house.connect(node.chain);
    const instance = `new${i}`.padEnd(25, "0");
    const session = newSession(house.newId(), { instance });
    const params = { protocols: [1], version: "1", features: [], session };
    caller.send({ id: 1, method: "hello", params });
    return { caller, id: session["id"] };
  });
  await turn();
  await house.clock.advance(50);
  const alive = callers.filter(({ caller }) => !caller.closed);
  assertEquals(alive.length, 1);
  assertEquals(house.desk.sessions.of(node.id)?.id, alive[0]?.id);
});

Deno.test("Sessions.end() ends a session for good", async () => {
  const house = await House.open();
  const node = await house.addNode();
  const caller = await dial(house, node);
  house.desk.close();
  await house.clock.advance(50);
  assertEquals(caller.reason, "session-ended");
  assertEquals(house.desk.sessions.size, 0);
  assertEquals(house.clock.pending, 0);
});

Deno.test("Sessions deliver each push once and in order over many connections", async () => {
  const house = await House.open();
  const node = await house.addNode();
  const session = house.newId();
  let caller = await dial(house, node, { session });
  const got: string[] = [];
  let seen = 0;
  const read = () => {
    for (const message of caller.received) {
      if (!("method" in message) || message.n !== seen + 1) continue;
      seen = message.n;
      got.push(String((message.params as { reason: string }).reason));
    }
  };
  for (let i = 0; i < 60; i++) {
    house.desk.sessions.push(node.id, "node.renew-now", { reason: `${i}` });
    if (i % 3 === 0) await turn();
    if (i % 7 !== 0) continue;
    caller.pipe.cut();
    await turn();
    read();
    const next = house.connect(node.chain);
    const wanted = { instance: "a".padEnd(25, "0"), lastSeen: seen };
    await next.hello(newSession(session, { ...wanted, resume: true }));
    caller = next;
    read();
  }
  await turn();
  read();
  assertEquals(got, Array.from({ length: 60 }, (_, i) => `${i}`));
});
