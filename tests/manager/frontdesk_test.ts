import { assert, assertEquals, assertFalse } from "@std/assert";
import { DAY, MINUTE, SECOND } from "../../lib/base/time.ts";
import { turn } from "../fakes/clock.ts";
import { codeOf, newSession } from "./caller.ts";
import { House } from "./house.ts";
import { opened, present, resume, sessionIn } from "./present.ts";

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
  // Its own disk is well: it comes again.
  assertEquals(codeOf(await failed.hello(wanted)), "too-busy");
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

// W2: whoever is removed is cut off, however it is connected.
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
    assertEquals(codeOf(await again.hello(newSession(house.newId()))), code);
  }
});

const FROZEN = {
  suspended: { admission: "suspended" },
  conflict: { admission: "conflict" },
} as const;

Deno.test("Frontdesk gives no session to a node whose record changes while it is judged", async () => {
  const cases = [
    ["suspended", (h: House, id: string) => h.change(id, FROZEN.suspended)],
    ["conflict", (h: House, id: string) => h.change(id, FROZEN.conflict)],
    ["removed", (h: House, id: string) => h.remove(id)],
  ] as const;
  for (const [code, happens] of cases) {
    const house = await House.open();
    const node = await house.addSeenNode();
    const identify = house.gatekeeper.identify.bind(house.gatekeeper);
    house.gatekeeper.identify = async (facts) => {
      const peer = await identify(facts);
      await happens(house, node.id);
      return peer;
    };
    const caller = house.connect(node.chain);
    await caller.hello(newSession(house.newId()));
    await house.clock.advance(50);
    assertEquals(caller.reason, code);
    assert(caller.closed);
    assertEquals(house.desk.sessions.of(node.id), undefined);
  }
});

// W1: a demoted manager may at once do no more than a worker.
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

// W22: a connection does not outlive its certificate.
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

Deno.test("Frontdesk writes down what a node trusts so often on a connection, and no oftener", async () => {
  const { house, node } = await opened();
  let writes = 0;
  house.store.watch((changes) => {
    writes += changes.filter(({ kind }) => kind === "node").length;
  });
  const caller = house.connect(node.chain);
  const { bundle: known } = house.cluster.root.facts ?? {};
  const unknown = newSession("9".repeat(25), { resume: true });
  for (const bundle of [known, "sha256:no", known, "sha256:no"]) {
    if (caller.closed) break;
    await caller.hello(unknown, { bundle });
  }
  assertEquals(caller.reason, "bad-message");
  assert(writes <= 2, `${writes} writes`);
});

Deno.test("Frontdesk opens no session for a node that is removed in the commit of its first connection", async () => {
  const house = await House.open();
  const node = await house.addNode();
  const caller = house.connect(node.chain);
  const update = house.store.update.bind(house.store);
  let removing = Promise.resolve();
  house.store.update = (change) => {
    house.store.update = update;
    const seen = update(change);
    removing = house.remove(node.id);
    return seen;
  };
  await caller.hello(newSession(house.newId()));
  await removing;
  assertEquals(caller.reason, "removed");
  assertEquals(house.desk.sessions.size, 0);
  assertEquals(house.desk.sessions.liveness(node.id), "unknown");
});

Deno.test("Frontdesk logs so many take-overs of a session in a row, and no more", async () => {
  const { house, node } = await opened();
  for (let i = 0; i < 40; i++) {
    const instance = `${i}`.padStart(25, "i");
    const caller = house.connect(node.chain);
    await caller.hello(newSession(house.newId(), { instance }));
  }
  assertEquals(house.node(node.id).admission, "active");
  const told = house.logged.filter((l) => l.message === "Session taken over");
  assertEquals(told.length, 10);
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

Deno.test("Frontdesk forgets a connection whose node greeted again, and was none any more", async () => {
  const house = await House.open();
  const node = await house.addSeenNode();
  await house.clock.advance(90 * DAY - SECOND);
  const caller = house.connect(node.chain);
  await caller.hello();
  assertEquals(house.desk.connections, 1);
  await house.clock.advance(2 * SECOND);
  const again = await caller.hello();
  assert(again && "result" in again, Deno.inspect(again));
  caller.pipe.cut();
  await turn();
  assertEquals(house.desk.connections, 0);
});

Deno.test("Frontdesk keeps what a node trusts only if the cluster knows it, and writes only changes", async () => {
  const house = await House.open();
  const node = await house.addSeenNode();
  const greets = async (bundle: string) => {
    const caller = house.connect(node.chain);
    const wanted = newSession(house.newId());
    const answer = await caller.hello(wanted, { bundle });
    assert(answer && "result" in answer, Deno.inspect(answer));
    return house.node(node.id).trusts;
  };
  const ours = house.cluster.root.facts?.bundle ?? "";
  const { commits } = house.disk;
  for (let i = 0; i < 10; i++) {
    const made = `sha256:${i.toString().repeat(64)}`;
    assertEquals(await greets(made), undefined);
  }
  assertEquals(house.disk.commits, commits);
  for (let i = 0; i < 3; i++) assertEquals(await greets(ours), ours);
  assertEquals(house.disk.commits, commits + 1);
  // It trusts something else now: what it said before is not true any more.
  assertEquals(await greets(`sha256:${"ab".repeat(32)}`), undefined);
  assertEquals(house.disk.commits, commits + 2);
});
