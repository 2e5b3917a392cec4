import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { SECOND } from "../../lib/base/time.ts";
import {
  decodeMessage,
  encodeMessage,
  type WireMessage,
} from "../../lib/rpc/message.ts";
import { ManagerConnection } from "../../lib/worker/manager_connection.ts";
import { FakeClock, turn } from "../fakes/clock.ts";
import { pipe } from "../fakes/pipe.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;
const DESCRIPTION = { hostname: "h", os: "o", arch: "a", version: "1" };
const ROOT = { certificate: "AAAA", links: [] };

/** A connection whose far end is the test. */
function open() {
  const clock = new FakeClock(0, turn);
  const { near, far, cut } = pipe({ clock });
  const events: unknown[] = [];
  const link = new ManagerConnection(near, {
    clock,
    events: {
      message: (message) => events.push(message),
      heartbeat: (beat) => events.push(beat),
      move: (reason) => events.push(reason),
      closed: (error) => events.push(error.code),
    },
  });
  const heard: WireMessage[] = [];
  far.start({
    message: (payload) => heard.push(decodeMessage(payload)),
    closed: () => {},
  });
  const say = async (message: WireMessage) => {
    far.send(encodeMessage(message));
    await turn();
  };
  const ask = () => link.ask("ca.root", { params: { digest: DIGEST } });
  return { clock, near, far, cut, link, events, heard, say, ask };
}

async function code(work: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => work, SwarmdError)).code;
}

Deno.test("ManagerConnection.ask() gives the answer of its request, and of no other", async () => {
  const { ask, say, heard, events } = open();
  const answer = ask();
  await turn();
  assertEquals(heard, [
    { id: 1, method: "ca.root", params: { digest: DIGEST } },
  ]);
  // Of another request, or of a session.
  await say({ id: 2, result: ROOT });
  await say({ id: 1, result: ROOT, n: 1 });
  assertEquals(events.length, 2);
  await say({ id: 1, result: ROOT });
  assertEquals(await answer, ROOT);
});

Deno.test("ManagerConnection.ask() tells of an answer in the turn in which it comes", async () => {
  const { link, far, events } = open();
  const answer = link.ask("ca.root", {
    params: { digest: DIGEST },
    answered: () => events.push("answered"),
  });
  await turn();
  far.send(encodeMessage({ id: 1, result: ROOT }));
  far.send(encodeMessage({ method: "node.renew-now", params: {}, n: 1 }));
  await answer;
  await turn();
  assertEquals(events[0], "answered");
  assertEquals(events.length, 2);
});

Deno.test("ManagerConnection.ask() passes on a refusal, and refuses a wrong answer", async () => {
  const { ask, say } = open();
  const refused = code(ask());
  const data = { code: "token-refused", verdict: "stop" };
  await say({ id: 1, error: { code: -32_000, message: "no", data } });
  assertEquals(await refused, "token-refused");
  for (const [id, result] of [[2, null], [3, {}], [4, { certificate: 7 }]]) {
    const wrong = code(ask());
    await say({ id: Number(id), result });
    assertEquals(await wrong, "bad-message");
  }
});

Deno.test("ManagerConnection.ask() waits 20 s", async () => {
  const { ask, clock, near, events } = open();
  const late = code(ask());
  await clock.advance(20 * SECOND - 1);
  assertEquals(near.destroyed, false);
  await clock.advance(1);
  assertEquals(await late, "timed-out");
  assert(near.destroyed);
  assertEquals(events, ["timed-out"]);
});

Deno.test("ManagerConnection.ask() waits 10 s for hello, and says whom it asked", async () => {
  const { link, clock, near } = open();
  const params = { protocols: [1], version: "1", features: [] };
  const late = link.ask("hello", { params }).catch((error) => error);
  await clock.advance(10 * SECOND - 1);
  assertEquals(near.destroyed, false);
  await clock.advance(1);
  const { message } = await late;
  assertMatch(message, /^Cannot go on with \S+:\d+: no answer to "hello"/);
});

Deno.test("ManagerConnection.ask() waits as long as it hears that the answer is pending", async () => {
  const node = "0".repeat(25);
  const cases = [
    // Three of the periods that the manager asks for, within bounds.
    [30 * SECOND, 90 * SECOND],
    [1, 3 * SECOND],
    [1e12, 360 * SECOND],
  ] as const;
  for (const [nextMs, patienceMs] of cases) {
    const { link, clock, say, near } = open();
    const told: string[] = [];
    const params = { secret: "", csr: "", description: DESCRIPTION };
    const pending = (node: string) => told.push(node);
    const late = code(link.ask("join", { params, pending }));
    await turn();
    await clock.advance(19 * SECOND);
    for (let i = 0; i < 9; i++) {
      await say({ method: "pending", params: { node, nextMs } });
      await clock.advance(patienceMs - 1);
    }
    assertEquals(near.destroyed, false);
    await clock.advance(1);
    assertEquals(await late, "timed-out");
    assertEquals(told, Array(9).fill(node));
    assertEquals(clock.pending, 0);
  }
});

Deno.test("ManagerConnection.ask() is kept waiting by no manager where nobody has to decide", async () => {
  const { ask, clock, say, events } = open();
  const late = code(ask());
  await clock.advance(19 * SECOND);
  const params = { node: "0".repeat(25), nextMs: 30 * SECOND };
  await say({ method: "pending", params });
  await clock.advance(SECOND);
  assertEquals(await late, "timed-out");
  assertEquals(events, [{ method: "pending", params }, "timed-out"]);
});

Deno.test("ManagerConnection.ask() fails at once on a connection that is over", async () => {
  const { ask, link, clock } = open();
  link.retire();
  assertEquals(await code(ask()), "unreachable");
  assertEquals(clock.pending, 0);
});

Deno.test("ManagerConnection tells what the manager pushes", async () => {
  const { say, events } = open();
  await say({ method: "heartbeat", params: { now: 7 } });
  await say({ method: "heartbeat", params: { now: 7, nextMs: 500 } });
  await say({ method: "move", params: { reason: "because" } });
  await say({ method: "cluster.managers", params: { addresses: [] }, n: 1 });
  assertEquals(events, [
    { now: 7 },
    { now: 7, nextMs: 500 },
    "because",
    { method: "cluster.managers", params: { addresses: [] }, n: 1 },
  ]);
});

Deno.test("ManagerConnection ends with the manager's own words", async () => {
  const { say, far, events } = open();
  const params = { code: "conflict", message: "two machines", now: 1 };
  await say({ method: "close", params });
  assertEquals(events, []);
  far.close();
  await turn();
  assertEquals(events, ["conflict"]);
});

Deno.test("ManagerConnection ends once, whatever happens", async () => {
  const { ask, cut, link, events, clock } = open();
  const asked = code(ask());
  cut();
  await turn();
  assertEquals(await asked, "unreachable");
  assertEquals(events, ["unreachable"]);
  link.retire();
  await clock.advance(30 * SECOND);
  assertEquals(events.length, 1);
  assert(link.ended);
  assertEquals(clock.pending, 0);
});

Deno.test("ManagerConnection says nothing of a connection that was retired", async () => {
  const { ask, link, far, events } = open();
  const asked = code(ask());
  link.retire();
  assertEquals(await asked, "unreachable");
  far.close();
  await turn();
  assertEquals(events, []);
});

Deno.test("ManagerConnection ends when the manager sends what it cannot read", async () => {
  const garbage = [
    utf8("{"),
    utf8('{"jsonrpc":"1.0"}'),
    encodeMessage({ method: "heartbeat", params: { now: "x" } }),
    encodeMessage({ method: "move", params: {} }),
    encodeMessage({ method: "close", params: {} }),
    encodeMessage({ method: "move", params: { reason: "x".repeat(300) } }),
  ];
  for (const payload of garbage) {
    const { far, near, events } = open();
    far.send(payload);
    await turn();
    assertEquals(events, ["bad-message"]);
    assert(near.destroyed);
  }
});
