import {
  assert,
  assertEquals,
  assertFalse,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { turn } from "../fakes/clock.ts";
import { House } from "../manager/house.ts";
import { MANAGER } from "./device.ts";
import { managerLeaf, SILENCE } from "./scripted.ts";
import { UplinkRig } from "./uplink_rig.ts";

const NEVER = new AbortController().signal;

/** What the n-th hello wanted. */
function wanted(rig: UplinkRig, line: number): Record<string, unknown> {
  const [hello] = rig.manager.lines[line]?.heard("hello") ?? [];
  return (hello?.["session"] ?? {}) as Record<string, unknown>;
}

/** A gate for the answers to hello. */
function holdHello(rig: UplinkRig): () => void {
  const { manager } = rig;
  const gate = Promise.withResolvers<void>();
  const before = manager.answers["hello"];
  manager.answers["hello"] = async (asked) => {
    await gate.promise;
    return before?.(asked);
  };
  return () => {
    if (before) manager.answers["hello"] = before;
    gate.resolve();
  };
}

Deno.test("Uplink opens a session, and says once that it is connected", async () => {
  await using rig = await UplinkRig.start();
  const { uplink, house, device } = rig;
  assertEquals(uplink.status.connected, true);
  assertEquals(uplink.status.manager, MANAGER);
  assertEquals(rig.established, [{ held: rig.held, fresh: true }]);
  assertEquals(rig.told, ["connected"]);
  const [event] = device.events;
  assertEquals(event, {
    event: "connected",
    node: rig.held.nodeId,
    manager: MANAGER,
  });
  assertEquals(wanted(rig, 0)["resume"], false);
  await rig.pass(HOUR);
  assertEquals(rig.told, ["connected"]);
  assertEquals(rig.manager.lines.length, 1);
  assertEquals(house.clock.now() - (uplink.status.since ?? 0), HOUR);
});

Deno.test("Uplink makes the next connection before it leaves the present one", async () => {
  await using rig = await UplinkRig.start();
  await rig.pass(SECOND);
  const answer = holdHello(rig);
  rig.uplink.requestMove("test");
  await turn();
  const [old, next] = rig.manager.lines;
  assert(old && next);
  // Asked, not answered: everything still goes the old way.
  assertEquals(wanted(rig, 1)["resume"], true);
  assertEquals(wanted(rig, 1)["id"], wanted(rig, 0)["id"]);
  assertEquals(wanted(rig, 1)["instance"], wanted(rig, 0)["instance"]);
  rig.uplink.session?.notify("node.register", { a: 1 });
  await turn();
  assertEquals(old.heard("node.register").length, 1);
  assertFalse(old.closed);
  assertEquals(rig.uplink.status.connected, true);
  answer();
  await turn();
  assert(old.closed);
  assertFalse(next.closed);
  rig.uplink.session?.notify("node.register", { a: 2 });
  await turn();
  // What the manager has not acknowledged is written again, then what is new.
  assertEquals(next.heard("node.register"), [{ a: 1 }, { a: 2 }]);
  assertEquals(rig.told, ["connected"]);
  assertEquals(rig.established.map(({ fresh }) => fresh), [true, false]);
});

Deno.test("Uplink stays where it is while the next connection cannot be had", async () => {
  await using rig = await UplinkRig.start();
  await rig.pass(SECOND);
  const { net } = rig.device;
  net.down = true;
  rig.uplink.requestMove("test");
  await rig.pass(MINUTE);
  assertEquals(rig.told, ["connected"]);
  assertFalse(rig.manager.last.closed);
  assert(rig.uplink.status.lastError);
  net.down = false;
  await rig.pass(5 * SECOND);
  assertEquals(rig.manager.lines.length, 2);
  assertEquals(rig.uplink.status.lastError, undefined);
  assertEquals(rig.told, ["connected"]);
});

Deno.test("Uplink moves once more for what was asked while it moved", async () => {
  await using rig = await UplinkRig.start();
  await rig.pass(SECOND);
  const before = rig.held;
  const answer = holdHello(rig);
  rig.uplink.requestMove("this manager has a newer certificate");
  await turn();
  // Meanwhile the identity is renewed; the connection under way has the old.
  const renewed = { ...before };
  rig.held = renewed;
  rig.uplink.requestMove("this node has a newer certificate");
  answer();
  await rig.pass(SECOND);
  assertEquals(rig.manager.lines.length, 3);
  assertEquals(rig.established.at(-1)?.held, renewed);
  await rig.pass(MINUTE);
  assertEquals(rig.manager.lines.length, 3);
});

Deno.test("Uplink moves at most four times in two seconds, whatever it is told", async () => {
  await using rig = await UplinkRig.start();
  rig.manager.answers["hello"] = ({ params, line }) => {
    for (let i = 0; i < 10; i++) line.push("move", { reason: "again" });
    queueMicrotask(() => line.push("move", { reason: "and again" }));
    return rig.manager.greeting(params);
  };
  rig.uplink.requestMove("test");
  await rig.pass(10 * SECOND);
  assert(rig.manager.lines.length <= 25, `${rig.manager.lines.length}`);
  assertEquals(rig.told, ["connected"]);
});

Deno.test("Uplink hides a short loss", async () => {
  await using rig = await UplinkRig.start();
  for (let i = 0; i < 20; i++) {
    await rig.pass(SECOND);
    rig.device.net.pipes.at(-1)?.cut();
    await turn();
  }
  assertEquals(rig.manager.lines.length, 21);
  assertEquals(rig.told, ["connected"]);
  assertEquals(wanted(rig, 20)["resume"], true);
  assertEquals(wanted(rig, 20)["id"], wanted(rig, 0)["id"]);
});

Deno.test("Uplink tells of a long loss once, and of its end", async () => {
  await using rig = await UplinkRig.start();
  rig.device.net.down = true;
  rig.device.net.pipes.at(-1)?.cut();
  await rig.pass(10 * MINUTE);
  assertEquals(rig.told, ["connected", "disconnected"]);
  assertEquals(rig.uplink.status.connected, false);
  assertEquals(rig.uplink.status.manager, undefined);
  rig.device.net.down = false;
  await rig.pass(5 * SECOND);
  assertEquals(rig.told, ["connected", "disconnected", "connected"]);
  // The session outlived it.
  assertEquals(rig.established.map(({ fresh }) => fresh), [true, false]);
});

Deno.test("Uplink begins a new session, with notice, where the old one is not known", async () => {
  await using rig = await UplinkRig.start();
  await rig.pass(SECOND);
  const call = rig.uplink.call("node.renew", { csr: "AAAA" }, NEVER);
  rig.manager.answers["node.renew"] = () => SILENCE;
  const failed = assertRejects(() => call, SwarmdError);
  const first = rig.uplink.session?.id;
  rig.manager.answers["hello"] = ({ params }) => {
    const greeting = rig.manager.greeting(params);
    const session = greeting["session"] as Record<string, unknown>;
    return { ...greeting, session: { ...session, resumed: false } };
  };
  rig.device.net.pipes.at(-1)?.cut();
  await turn();
  assertEquals((await failed).code, "session-ended");
  assertNotEquals(rig.uplink.session?.id, first);
  assertEquals(rig.told, ["connected", "disconnected", "connected"]);
  // Both asked on one connection.
  assertEquals(rig.manager.lines.length, 2);
  const hellos = rig.manager.last.heard("hello").map((p) => p["session"]);
  assertEquals(
    hellos.map((s) => (s as Record<string, unknown>)["resume"]),
    [true, false],
  );
});

Deno.test("Uplink ends a session that the manager resumes from where it cannot be", async () => {
  await using rig = await UplinkRig.start();
  await rig.pass(SECOND);
  const first = rig.uplink.session?.id;
  let lies = 1;
  rig.manager.answers["hello"] = ({ params }) => {
    const greeting = rig.manager.greeting(params);
    const session = greeting["session"] as Record<string, unknown>;
    const lastSeen = lies-- > 0 ? 99 : 0;
    return { ...greeting, session: { ...session, lastSeen } };
  };
  rig.uplink.requestMove("test");
  await rig.pass(5 * SECOND);
  assertNotEquals(rig.uplink.session?.id, first);
  assertEquals(rig.uplink.status.connected, true);
  assertEquals(rig.told, ["connected", "disconnected", "connected"]);
});

Deno.test("Uplink takes no session that it did not ask for", async () => {
  await using rig = await UplinkRig.open();
  rig.manager.answers["hello"] = ({ params }) => ({
    ...rig.manager.greeting(params),
    session: { id: "x".repeat(25), resumed: false, lastSeen: 0 },
  });
  await rig.run();
  assertEquals(rig.uplink.status.connected, false);
  assertEquals(rig.uplink.session, undefined);
  assertEquals(rig.told, []);
});

Deno.test("Uplink notices a half-open connection after three silent beats", async () => {
  await using rig = await UplinkRig.start();
  await rig.pass(MINUTE);
  assertEquals(rig.manager.lines.length, 1);
  const [first] = rig.device.net.pipes.slice(-1);
  first?.freeze();
  await rig.pass(14 * SECOND);
  assertEquals(rig.manager.lines.length, 1);
  await rig.pass(7 * SECOND);
  assertEquals(rig.manager.lines.length, 2);
  assert(first?.near.destroyed);
  assertEquals(rig.uplink.status.connected, true);
});

Deno.test("Uplink goes by the manager's periods", async () => {
  await using rig = await UplinkRig.start();
  const beats = () => rig.manager.last.heard("heartbeat").length;
  rig.manager.beats = false;
  rig.manager.last.push("heartbeat", { now: 0, nextMs: 700 });
  const before = beats();
  await rig.pass(700);
  assertEquals(beats(), before + 1);
});

Deno.test("Uplink measures the clock, and warns once of a difference", async () => {
  const house = await House.open();
  await using rig = await UplinkRig.start(house);
  rig.manager.beats = false;
  for (let i = 0; i < 5; i++) {
    const now = house.clock.now() - 2 * MINUTE;
    rig.manager.last.push("heartbeat", { now });
    await rig.pass(SECOND);
  }
  assertEquals(rig.uplink.status.skew?.ms, 2 * MINUTE);
  const warned = rig.device.logged.filter(({ message }) =>
    message.includes("clock")
  );
  assertEquals(warned.length, 1);
  // It explains, and decides nothing.
  assertEquals(rig.uplink.status.connected, true);
});

Deno.test("Uplink moves when the manager's certificate ends", async () => {
  const house = await House.open();
  await using rig = await UplinkRig.open(house);
  const notAfter = house.clock.now() + MINUTE;
  rig.manager.presented = [await managerLeaf(house, { notAfter })];
  await rig.run();
  const old = rig.manager.last;
  await rig.pass(50 * SECOND);
  rig.manager.presented = [await managerLeaf(house)];
  assertFalse(old.closed);
  await rig.pass(20 * SECOND);
  assert(old.closed);
  assertEquals(rig.manager.lines.length, 2);
  assertEquals(rig.told, ["connected"]);
});

Deno.test("Uplink ends when a verified manager says that the node was removed", async () => {
  const rig = await UplinkRig.open();
  rig.manager.answers["hello"] = () => {
    const text = "Connection closed: the node was removed";
    throw new SwarmdError("removed", text, { verdict: "rejoin" });
  };
  await rig.run();
  const error = await rig.ended;
  assert(error instanceof SwarmdError && error.code === "removed");
});

Deno.test("Uplink ends when the node is removed while it is connected", async () => {
  const rig = await UplinkRig.start();
  const params = { code: "removed", message: "it was removed", now: 0 };
  rig.manager.last.push("close", params);
  rig.manager.last.connection.close();
  await turn();
  await rig.pass(0);
  const ended = await Promise.race([rig.ended, turn().then(() => "runs on")]);
  assert(ended instanceof SwarmdError, String(ended));
  assertEquals(ended.code, "removed");
  assertEquals(rig.told, ["connected", "disconnected"]);
});

Deno.test("Uplink tells of a refusal, and of nothing that an unverified peer says", async () => {
  const codes = ["replaced", "unknown-node", "suspended", "conflict"] as const;
  for (const code of codes) {
    await using rig = await UplinkRig.open();
    rig.manager.answers["hello"] = () => {
      throw new SwarmdError(code, "no");
    };
    await rig.run();
    assertEquals(rig.refused, [code]);
  }
  const other = await House.open({ label: "other" });
  await using rig = await UplinkRig.open();
  rig.manager.presented = [await managerLeaf(other)];
  rig.manager.answers["hello"] = () => {
    throw new SwarmdError("removed", "no");
  };
  await rig.run();
  await rig.pass(MINUTE);
  assertEquals(rig.refused, []);
  // Asked for the way to its root, by somebody who says nothing of himself.
  const said = rig.manager.lines.flatMap((line) => line.received);
  assert(said.length > 0);
  for (const message of said) {
    assert("method" in message && message.method === "hello");
    assertEquals((message.params as { session?: unknown }).session, undefined);
  }
});

Deno.test("Uplink says hello to no manager of another cluster", async () => {
  // Of the same authority: two clusters may share one.
  await using rig = await UplinkRig.open();
  const clusterId = "o".repeat(25);
  rig.manager.presented = [await managerLeaf(rig.house, { clusterId })];
  await rig.run();
  assertEquals(rig.manager.lines.flatMap(({ received }) => received), []);
  assertEquals(rig.refused, []);
  assert(rig.uplink.status.lastError?.includes("cluster"));
});

Deno.test("Uplink names both clocks when only the dates are wrong", async () => {
  await using rig = await UplinkRig.open();
  await rig.house.clock.advance(0);
  const notAfter = rig.house.clock.now() - HOUR;
  const notBefore = notAfter - HOUR;
  rig.manager.presented = [
    await managerLeaf(rig.house, { notBefore, notAfter }),
  ];
  await rig.run();
  const text = rig.uplink.status.lastError ?? "";
  assert(text.includes("the manager says 2026-01-01T00:00:00Z"), text);
  assert(text.includes("this machine's clock says 2026-01-01T00:00:00Z"), text);
});

Deno.test("Uplink ends at once, whatever it waits for", async () => {
  const states: Readonly<Record<string, (rig: UplinkRig) => void>> = {
    "a session": () => {},
    "a dial": ({ device }) => device.net.stalled = true,
    "an answer to hello": ({ manager }) =>
      manager.answers["hello"] = () => SILENCE,
    "a pause": ({ device }) => device.net.down = true,
  };
  for (const [what, happens] of Object.entries(states)) {
    const rig = await UplinkRig.open();
    happens(rig);
    await rig.run();
    const ended = rig.stop().then(() => "ended");
    const runs = turn().then(turn).then(() => "runs on");
    assertEquals(await Promise.race([ended, runs]), "ended", what);
    assert(!rig.told.includes("disconnected"), what);
    await rig.pass(30 * SECOND);
    assertEquals(rig.house.clock.pending, 0, what);
  }
});
