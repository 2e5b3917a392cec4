import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { type Logger, silentLogger } from "../../lib/base/logger.ts";
import { Calls, type CallsOptions } from "../../lib/rpc/calls.ts";
import {
  decodeMessage,
  encodeMessage,
  type Failure,
  type Message,
} from "../../lib/rpc/message.ts";
import { SessionChannel } from "../../lib/rpc/session_channel.ts";
import { FakeClock, settle } from "../fakes/clock.ts";

const GONE = new SwarmdError("session-ended", "Session ended");

/** One side; what it sends is collected. */
function setup(options: Partial<CallsOptions> = {}) {
  const clock = new FakeClock();
  const sent: Message[] = [];
  const calls = new Calls({
    clock,
    send: (message) => sent.push(decodeMessage(encodeMessage(message))),
    serve: ({ method }) => ({ served: method }),
    notified: () => {},
    ...options,
  });
  return { clock, sent, calls };
}

/** A logger that writes down what it is told. */
function listening(): { logger: Logger; log: string[] } {
  const log: string[] = [];
  const note = (text: string, fields?: unknown) =>
    log.push(`${text} ${JSON.stringify(fields)}`);
  return { logger: { ...silentLogger, debug: note, error: note }, log };
}

function failureOf(message: Message | undefined): Failure["error"] {
  assert(message && "error" in message);
  return message.error;
}

Deno.test("Calls.call() resolves with the answer of its id", async () => {
  const { calls, sent, clock } = setup();
  const first = calls.call("a", { x: 1 });
  const second = calls.call("b", undefined);
  assertEquals(sent, [
    { id: 1, method: "a", params: { x: 1 } },
    { id: 2, method: "b" },
  ]);
  assertEquals([calls.pending, clock.pending], [2, 2]);
  calls.receive({ id: 2, result: "two" });
  calls.receive({ id: 1, result: null });
  assertEquals([await first, await second], [null, "two"]);
  assertEquals([calls.pending, clock.pending], [0, 0]);
});

Deno.test("Calls.call() rejects with the peer's error", async () => {
  const { calls, clock } = setup();
  const answer = calls.call("a", {});
  const data = { code: "removed", verdict: "stop", now: 7 };
  calls.receive({ id: 1, error: { code: -32000, message: "Gone", data } });
  const error = await assertRejects(() => answer, SwarmdError, "Gone");
  assertEquals([error.code, error.verdict], ["removed", "stop"]);
  assertEquals([error.data, clock.pending], [{ now: 7 }, 0]);
});

Deno.test("Calls.call() times out, and the late answer is counted and ignored", async () => {
  const { logger, log } = listening();
  const { calls, clock } = setup({ logger });
  const table = [[undefined, 30_000], [50, 50]] as const;
  for (const [timeoutMs, waitsMs] of table) {
    let error: unknown;
    const options = timeoutMs === undefined ? {} : { timeoutMs };
    calls.call("a", {}, options).catch((reason) => error = reason);
    await clock.advance(waitsMs - 1);
    assertEquals([error, calls.pending], [undefined, 1]);
    await clock.advance(1);
    assertInstanceOf(error, SwarmdError);
    assertEquals([error.code, calls.pending], ["timed-out", 0]);
  }
  calls.receive({ id: 1, result: "late" });
  calls.receive({ id: 2, error: { code: 1, message: "late" } });
  assertEquals([calls.ignored, log.length], [2, 2]);
});

Deno.test("Calls.receive() ignores answers to nothing, and second answers", async () => {
  const { calls } = setup();
  const answer = calls.call("a", {});
  calls.receive({ id: 0, result: 1 });
  calls.receive({ id: Number.MAX_SAFE_INTEGER, result: 1 });
  calls.receive({ id: 1, result: "first" });
  calls.receive({ id: 1, result: "second" });
  assertEquals([await answer, calls.ignored], ["first", 3]);
});

Deno.test("Calls.call() gives up when its signal is aborted", async () => {
  const { calls, clock, sent } = setup();
  const reason = new Error("stop");
  const controller = new AbortController();
  const { signal } = controller;
  const answer = calls.call("a", {}, { signal });
  controller.abort(reason);
  assertEquals(await assertRejects(() => answer), reason);
  assertEquals([calls.pending, clock.pending], [0, 0]);
  const late = calls.call("a", {}, { signal });
  assertEquals(await assertRejects(() => late), reason);
  assertEquals(sent.length, 1);
});

Deno.test("Calls.call() leaves no listener on a signal that outlives it", async () => {
  const { calls } = setup();
  const controller = new AbortController();
  let listeners = 0;
  const signal = new Proxy(controller.signal, {
    get(target, name) {
      if (name === "addEventListener") listeners += 1;
      if (name === "removeEventListener") listeners -= 1;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const answer = calls.call("a", {}, { signal });
  assertEquals(listeners, 1);
  calls.receive({ id: 1, result: 1 });
  await answer;
  assertEquals(listeners, 0);
});

Deno.test("Calls.call() rejects when the request cannot be sent", async () => {
  const { calls, clock } = setup();
  const params = { x: "y".repeat(1 << 20) };
  const error = await assertRejects(() => calls.call("a", params), SwarmdError);
  assertEquals(error.code, "bad-message");
  assertEquals([calls.pending, clock.pending], [0, 0]);
});

Deno.test("Calls.receive() serves requests, with values and with promises", async () => {
  const { calls, sent } = setup({
    serve: ({ method, params }) =>
      method === "later" ? Promise.resolve(params) : undefined,
  });
  calls.receive({ id: 5, method: "now" });
  calls.receive({ id: 0, method: "later", params: { x: 1 } });
  await settle();
  assertEquals(sent, [{ id: 5, result: null }, { id: 0, result: { x: 1 } }]);
});

Deno.test("Calls.receive() starts requests in the order in which they came", async () => {
  const started: string[] = [];
  const { calls } = setup({
    serve: ({ method }) => void started.push(method),
    notified: (method) => void started.push(method),
  });
  calls.receive({ id: 1, method: "a" });
  calls.receive({ method: "b" });
  calls.receive({ id: 2, method: "c" });
  assertEquals(started, ["a", "b", "c"]);
  await settle();
});

Deno.test("Calls.receive() answers with the error that serving threw", async () => {
  const { logger, log } = listening();
  const { calls, sent, clock } = setup({
    logger,
    serve: ({ method }) => {
      if (method === "known") throw new SwarmdError("role", "Not for you");
      return Promise.reject(new Error("table nodes is locked"));
    },
  });
  calls.receive({ id: 1, method: "known" });
  calls.receive({ id: 2, method: "unknown" });
  await settle();
  const [known, unknown] = sent.map(failureOf);
  assertEquals(known?.data, {
    code: "role",
    verdict: "retry",
    now: clock.now(),
  });
  assertEquals(unknown?.data?.code, "internal");
  // Details stay here.
  assertFalse(JSON.stringify(unknown).includes("locked"));
  assertEquals(log, [
    'Request failed {"method":"unknown","error":"table nodes is locked"}',
  ]);
});

Deno.test("Calls.receive() answers internal when a result cannot be sent", async () => {
  const { logger, log } = listening();
  const results: unknown[] = [1n, "y".repeat(1 << 20), { toJSON: 1, x: 1n }];
  for (const result of results) {
    const { calls, sent } = setup({ logger, serve: () => result });
    calls.receive({ id: 1, method: "a" });
    await settle();
    assertEquals(failureOf(sent[0]).data?.code, "internal");
  }
  assertEquals(log.length, results.length);
});

Deno.test("Calls.receive() refuses more requests at once than it may serve", async () => {
  for (const maxServing of [undefined, 2]) {
    const most = maxServing ?? 64;
    const gate = Promise.withResolvers<string>();
    let running = 0;
    const { calls, sent } = setup({
      serve: () => {
        running += 1;
        return gate.promise;
      },
      ...(maxServing !== undefined && { maxServing }),
    });
    for (let id = 0; id <= most; id++) calls.receive({ id, method: "a" });
    await settle();
    assertEquals([running, sent.length], [most, 1]);
    assertEquals(failureOf(sent[0]).data?.code, "too-busy");
    gate.resolve("done");
    await settle();
    assertEquals(sent.length, most + 1);
    calls.receive({ id: 1000, method: "a" });
    await settle();
    assertEquals(sent.at(-1), { id: 1000, result: "done" });
  }
});

Deno.test("Calls.receive() passes notifications on, and logs what they throw", () => {
  const { logger, log } = listening();
  const seen: unknown[] = [];
  const { calls, sent } = setup({
    logger,
    notified: (method, params) => {
      seen.push([method, params]);
      throw new SwarmdError("bad-message", "Cannot read");
    },
  });
  calls.receive({ method: "a", params: { x: 1 } });
  calls.receive({ method: "b" });
  assertEquals(seen, [["a", { x: 1 }], ["b", undefined]]);
  assertEquals([sent.length, log.length], [0, 2]);
});

Deno.test("Calls.end() rejects what waits and what comes, and sends nothing more", async () => {
  const gate = Promise.withResolvers<void>();
  let notified = 0;
  const { calls, sent, clock } = setup({
    serve: () => gate.promise,
    notified: () => notified++,
  });
  const answers = [calls.call("a", {}), calls.call("b", {})];
  calls.receive({ id: 1, method: "slow" });
  calls.end(GONE);
  calls.end(new SwarmdError("internal", "Later"));
  for (const answer of [...answers, calls.call("c", {})]) {
    assertEquals(await assertRejects(() => answer), GONE);
  }
  calls.notify("d", {});
  calls.receive({ method: "e" });
  calls.receive({ id: 2, method: "f" });
  gate.resolve();
  await settle();
  assertEquals([sent.length, notified], [2, 0]);
  assertEquals([calls.pending, clock.pending], [0, 0]);
});

Deno.test("Calls.end() lets a rejected caller call again", async () => {
  const { calls } = setup();
  const answer = calls.call("a", {}).catch(() => calls.call("b", {}));
  calls.end(GONE);
  assertEquals(await assertRejects(() => answer), GONE);
});

Deno.test("Calls over two sessions answer each other, and end with them", async () => {
  const clock = new FakeClock();
  const sides = ["a", "b"].map((name) => {
    const calls: Calls = new Calls({
      clock,
      send: (message) => channel.send(message),
      serve: ({ params }) => ({ by: name, params }),
      notified: () => {},
    });
    const channel: SessionChannel = new SessionChannel({
      clock,
      deliver: (message) => calls.receive(message),
      ended: (error) => calls.end(error),
    });
    return { calls, channel };
  });
  const [a, b] = sides;
  assert(a && b);
  const toB = {
    send: (p: Uint8Array) => b.channel.receive(toA, decodeMessage(p)),
  };
  const toA = {
    send: (p: Uint8Array) => a.channel.receive(toB, decodeMessage(p)),
  };
  a.channel.attach(toB, 0);
  b.channel.attach(toA, 0);
  assertEquals(await a.calls.call("x", { i: 1 }), {
    by: "b",
    params: { i: 1 },
  });
  assertEquals(await b.calls.call("x", { i: 2 }), {
    by: "a",
    params: { i: 2 },
  });
  a.channel.detach();
  const lost = a.calls.call("x", {});
  a.channel.end(GONE);
  assertEquals(await assertRejects(() => lost), GONE);
  b.channel.end(GONE);
  assertEquals(clock.pending, 0);
});
