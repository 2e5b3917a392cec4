import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertLessOrEqual,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type Bytes, utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type WireMessage,
} from "../../lib/rpc/message.ts";
import {
  SessionChannel,
  type SessionLimits,
  type Wire,
} from "../../lib/rpc/session_channel.ts";
import { FakeClock } from "../fakes/clock.ts";

/** A connection that remembers what was written, as numbers and acks. */
class FakeWire implements Wire {
  readonly log: string[] = [];
  bytes = 0;

  send(payload: Bytes): void {
    this.bytes += payload.length;
    this.log.push(describe(decodeMessage(payload)));
  }

  /** What was written since the last look. */
  take(): string[] {
    return this.log.splice(0);
  }
}

function describe(message: WireMessage): string {
  if (message.n !== undefined) return `#${message.n}`;
  assert("method" in message && message.method === "ack");
  const { seen, wanted } = message.params as { seen: number; wanted?: boolean };
  return `ack ${seen}${wanted ? " wanted" : ""}`;
}

interface Setup {
  readonly limits?: Partial<SessionLimits>;
  readonly deliver?: (message: Message) => void;
}

function setup({ limits, deliver }: Setup = {}) {
  const clock = new FakeClock();
  const delivered: string[] = [];
  const errors: SwarmdError[] = [];
  const channel = new SessionChannel({
    clock,
    ...(limits && { limits }),
    deliver: (message) => {
      assert("method" in message);
      delivered.push(message.method);
      deliver?.(message);
    },
    ended: (error) => errors.push(error),
  });
  const wire = new FakeWire();
  return { clock, channel, wire, delivered, errors };
}

function numbered(n: number, method = `m${n}`): WireMessage {
  return { method, n };
}

function ack(params: unknown): WireMessage {
  return { method: "ack", params };
}

function sendMany(channel: SessionChannel, count: number): void {
  for (let i = 0; i < count; i++) channel.send({ method: "m" });
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `#${from + i}`);
}

Deno.test("SessionChannel.send() numbers from 1 and writes at once when attached", () => {
  const { channel, wire } = setup();
  channel.attach(wire, 0);
  sendMany(channel, 2);
  assertEquals(wire.take(), ["#1", "#2"]);
});

Deno.test("SessionChannel.send() waits for the first connection", () => {
  const { channel, wire } = setup();
  sendMany(channel, 2);
  assertFalse(channel.attached);
  channel.attach(wire, 0);
  assert(channel.attached);
  assertEquals(wire.take(), ["#1", "#2"]);
});

Deno.test("SessionChannel.send() takes no number when the message cannot be written", () => {
  const { channel, wire, errors } = setup();
  channel.attach(wire, 0);
  assertThrows(() => channel.send({ method: "BAD" }), SwarmdError, "method");
  const params = { x: "y".repeat(1 << 20) };
  assertThrows(() => channel.send({ method: "m", params }), SwarmdError);
  sendMany(channel, 1);
  assertEquals([wire.take(), errors], [["#1"], []]);
});

Deno.test("SessionChannel.attach() repeats from the next unseen, on the new connection only", () => {
  const { channel, wire } = setup();
  channel.attach(wire, 0);
  sendMany(channel, 5);
  wire.take();
  const next = new FakeWire();
  channel.attach(next, 3);
  sendMany(channel, 1);
  assertEquals([wire.take(), next.take()], [[], ["#4", "#5", "#6"]]);
});

Deno.test("SessionChannel.attach() refuses what the peer cannot have seen, and changes nothing", () => {
  const table = [4, 5, 100, -1, 0.5, NaN, Infinity, -Infinity, 2 ** 60];
  for (const lastSeen of [...table, "1", null, undefined]) {
    const { channel, wire, errors } = setup({ limits: { unackedMessages: 3 } });
    channel.attach(wire, 0);
    // The fourth was numbered and never written: nobody can have seen it.
    sendMany(channel, 4);
    wire.take();
    const other = new FakeWire();
    const error = assertThrows(
      () => channel.attach(other, lastSeen as number),
      SwarmdError,
      "want 0 to 3",
    );
    assertEquals([error.code, error.data], ["session-ended", {
      reason: "resume",
    }]);
    channel.receive(wire, ack({ seen: 3 }));
    assertEquals([wire.take(), other.take(), errors], [["#4"], [], []]);
  }
});

Deno.test("SessionChannel.attach() accepts a number older than an ack that overtook it", () => {
  const { channel, wire } = setup();
  channel.attach(wire, 0);
  sendMany(channel, 5);
  // The peer greets on the new connection with 2, then acknowledges 4 on the
  // old one, and the old one is read first.
  channel.receive(wire, ack({ seen: 4 }));
  const next = new FakeWire();
  channel.attach(next, 2);
  assertEquals(next.take(), ["#5"]);
});

Deno.test("SessionChannel.detach() with a connection that is not attached does nothing", () => {
  const { channel, wire } = setup();
  const next = new FakeWire();
  channel.attach(wire, 0);
  channel.attach(next, 0);
  channel.detach(wire);
  assert(channel.attached);
  channel.detach(next);
  assertFalse(channel.attached);
  sendMany(channel, 1);
  assertEquals(next.take(), []);
});

Deno.test("SessionChannel.receive() delivers the next number and drops lower ones", () => {
  const { channel, wire, delivered, errors } = setup();
  channel.attach(wire, 0);
  for (const n of [1, 2, 1, 2, 3]) channel.receive(wire, numbered(n));
  assertEquals(delivered, ["m1", "m2", "m3"]);
  assertEquals([channel.lastSeen, errors.length], [3, 0]);
});

Deno.test("SessionChannel.receive() delivers a numbered message named ack", () => {
  const { channel, wire, delivered } = setup();
  channel.attach(wire, 0);
  channel.receive(wire, { ...ack({ seen: 99 }), n: 1 });
  assertEquals(delivered, ["ack"]);
});

Deno.test("SessionChannel.receive() drops what comes over another connection", () => {
  const { channel, wire, delivered, errors } = setup();
  const old = new FakeWire();
  channel.receive(old, numbered(1));
  channel.attach(old, 0);
  sendMany(channel, 1);
  channel.attach(wire, 0);
  for (const message of [numbered(1), numbered(7), ack({ seen: 99 })]) {
    channel.receive(old, message);
  }
  channel.detach();
  channel.receive(wire, numbered(1));
  assertEquals([delivered, errors, channel.lastSeen], [[], [], 0]);
});

Deno.test("SessionChannel.receive() ends the session on a gap", () => {
  for (const n of [2, 3, Number.MAX_SAFE_INTEGER]) {
    const { channel, wire, delivered, errors, clock } = setup();
    channel.attach(wire, 0);
    channel.receive(wire, numbered(n));
    assertEquals([delivered, errors.length, clock.pending], [[], 1, 0]);
    assertEquals(errors[0]?.data, { reason: "gap" });
    assertStringIncludes(errors[0]?.message ?? "", `${n} came, want 1`);
    channel.receive(wire, numbered(1));
    assertEquals([delivered, errors.length], [[], 1]);
  }
});

Deno.test("SessionChannel.receive() ends the session on a false ack", () => {
  const table: WireMessage[] = [
    ack({ seen: 4 }),
    ack({ seen: Number.MAX_SAFE_INTEGER }),
    ack({ seen: 1 }),
    ack({ seen: -1 }),
    ack({ seen: 2.5 }),
    ack({ seen: NaN }),
    ack({ seen: Infinity }),
    ack({ seen: "3" }),
    ack({ seen: null }),
    ack({ seen: [3] }),
    ack({}),
    ack(undefined),
    { id: 1, method: "ack", params: { seen: 3 } },
    { method: "other", params: { seen: 3 } },
    { id: 1, result: { seen: 3 } },
    { id: 1, error: { code: 1, message: "", data: { seen: 3 } } },
  ];
  for (const message of table) {
    const { channel, wire, errors } = setup();
    channel.attach(wire, 0);
    sendMany(channel, 3);
    channel.receive(wire, ack({ seen: 2 }));
    assertEquals(errors, []);
    channel.receive(wire, message);
    assertEquals(errors.map((error) => error.data), [{ reason: "ack" }]);
    assertFalse(channel.attached);
  }
});

Deno.test("SessionChannel.receive() refuses an ack for what waits outside the window", () => {
  const { channel, wire, errors } = setup({ limits: { unackedMessages: 3 } });
  channel.attach(wire, 0);
  sendMany(channel, 4);
  channel.receive(wire, ack({ seen: 4 }));
  assertStringIncludes(errors[0]?.message ?? "", "want 0 to 3");
});

Deno.test("SessionChannel.receive() takes the same ack twice", () => {
  const { channel, wire, errors } = setup();
  channel.attach(wire, 0);
  sendMany(channel, 2);
  channel.receive(wire, ack({ seen: 1 }));
  channel.receive(wire, ack({ seen: 1 }));
  channel.receive(wire, ack({ seen: 2 }));
  assertEquals([errors, channel.queuedBytes], [[], 0]);
});

Deno.test("SessionChannel acknowledges 64 messages at once, and fewer after 200 ms", async () => {
  const { channel, wire, clock } = setup();
  channel.attach(wire, 0);
  for (let n = 1; n <= 63; n++) channel.receive(wire, numbered(n));
  assertEquals([wire.take(), clock.pending], [[], 1]);
  channel.receive(wire, numbered(64));
  assertEquals([wire.take(), clock.pending], [["ack 64"], 0]);
  channel.receive(wire, numbered(65));
  await clock.advance(100);
  channel.receive(wire, numbered(66));
  await clock.advance(99);
  assertEquals([wire.take(), clock.pending], [[], 1]);
  await clock.advance(1);
  assertEquals([wire.take(), clock.pending], [["ack 66"], 0]);
  await clock.advance(10_000);
  assertEquals(wire.take(), []);
});

Deno.test("SessionChannel acknowledges repeated messages, whose ack was lost", async () => {
  const { channel, wire, clock } = setup();
  channel.attach(wire, 0);
  channel.receive(wire, numbered(1));
  await clock.advance(200);
  assertEquals(wire.take(), ["ack 1"]);
  const next = new FakeWire();
  channel.attach(next, 0);
  channel.receive(next, numbered(1));
  await clock.advance(200);
  assertEquals(next.take(), ["ack 1"]);
});

Deno.test("SessionChannel keeps no timer when detached, moved or ended", () => {
  const leave: ((channel: SessionChannel, wire: Wire) => void)[] = [
    (channel) => channel.detach(),
    (channel, wire) => channel.detach(wire),
    (channel) => channel.attach(new FakeWire(), 0),
    (channel) => channel.end(new SwarmdError("removed", "Gone")),
    (channel, wire) => channel.receive(wire, numbered(9)),
  ];
  for (const go of leave) {
    const { channel, wire, clock } = setup();
    channel.attach(wire, 0);
    channel.receive(wire, numbered(1));
    assertEquals(clock.pending, 1);
    go(channel, wire);
    assertEquals(clock.pending, 0);
  }
});

Deno.test("SessionChannel writes at most 256 messages that are not acknowledged", () => {
  const { channel, wire } = setup();
  channel.attach(wire, 0);
  sendMany(channel, 300);
  assertEquals(wire.take(), [...range(1, 256), "ack 0 wanted"]);
  channel.receive(wire, ack({ seen: 10 }));
  assertEquals(wire.take(), [...range(257, 266), "ack 0 wanted"]);
  channel.receive(wire, ack({ seen: 266 }));
  assertEquals(wire.take(), range(267, 300));
});

Deno.test("SessionChannel writes at most 256 KiB that are not acknowledged", () => {
  const { channel, wire } = setup();
  channel.attach(wire, 0);
  const params = { x: "y".repeat(60 * 1024) };
  for (let i = 0; i < 6; i++) channel.send({ method: "m", params });
  assertEquals(wire.take(), [...range(1, 4), "ack 0 wanted"]);
  assertLessOrEqual(wire.bytes, 256 * 1024);
  channel.receive(wire, ack({ seen: 1 }));
  assertEquals(wire.take(), ["#5", "ack 0 wanted"]);
});

Deno.test("SessionChannel writes a message above the window alone", () => {
  const { channel, wire } = setup();
  channel.attach(wire, 0);
  sendMany(channel, 1);
  const params = { x: "y".repeat(1_000_000) };
  channel.send({ method: "m", params });
  sendMany(channel, 1);
  assertEquals(wire.take(), ["#1", "ack 0 wanted"]);
  channel.receive(wire, ack({ seen: 1 }));
  assertEquals(wire.take(), ["#2", "ack 0 wanted"]);
  channel.receive(wire, ack({ seen: 2 }));
  assertEquals(wire.take(), ["#3"]);
});

Deno.test("SessionChannel counts the window anew on a new connection", () => {
  const { channel, wire } = setup({ limits: { unackedMessages: 3 } });
  channel.attach(wire, 0);
  sendMany(channel, 5);
  const next = new FakeWire();
  channel.attach(next, 1);
  assertEquals(next.take(), ["#2", "#3", "#4", "ack 0 wanted"]);
  channel.receive(next, ack({ seen: 4 }));
  assertEquals(next.take(), ["#5"]);
  assertGreater(channel.queuedBytes, 0);
  channel.receive(next, ack({ seen: 5 }));
  assertEquals(channel.queuedBytes, 0);
});

Deno.test("SessionChannel answers a wanted ack at once, if it owes one", () => {
  const { channel, wire, clock } = setup();
  channel.attach(wire, 0);
  channel.receive(wire, ack({ seen: 0, wanted: true }));
  assertEquals(wire.take(), []);
  channel.receive(wire, numbered(1));
  channel.receive(wire, ack({ seen: 0, wanted: true }));
  assertEquals([wire.take(), clock.pending], [["ack 1"], 0]);
  channel.receive(wire, ack({ seen: 0, wanted: true }));
  channel.receive(wire, numbered(2));
  for (const wanted of [1, "true", false, null]) {
    channel.receive(wire, ack({ seen: 0, wanted }));
  }
  assertEquals(wire.take(), []);
});

Deno.test("SessionChannel asks for an ack again on a new connection", () => {
  const { channel, wire } = setup({ limits: { unackedMessages: 2 } });
  channel.attach(wire, 0);
  sendMany(channel, 3);
  assertEquals(wire.take(), ["#1", "#2", "ack 0 wanted"]);
  channel.receive(wire, ack({ seen: 0 }));
  assertEquals(wire.take(), []);
  const next = new FakeWire();
  channel.attach(next, 0);
  assertEquals(next.take(), ["#1", "#2", "ack 0 wanted"]);
});

Deno.test("SessionChannel.send() ends the session when the peer never acknowledges", () => {
  const { channel, wire, errors } = setup();
  channel.attach(wire, 0);
  let most = 0;
  let sent = 0;
  for (; errors.length === 0 && sent < 100_000; sent++) {
    channel.send({ method: "m", params: { i: sent } });
    most = Math.max(most, channel.queuedBytes);
  }
  assertLess(sent, 10_000);
  // 4 MiB wait, and the window is full.
  assertLessOrEqual(most, (4 * 1024 + 256 + 256) * 1024);
  assertEquals(errors.map((error) => error.data), [{ reason: "overrun" }]);
  assertEquals([channel.queuedBytes, channel.attached], [0, false]);
  assertLess(wire.bytes, 32 * 1024);
});

Deno.test("SessionChannel.send() ends the session when too much waits for a connection", () => {
  const { channel, errors } = setup({ limits: { maxWaitingBytes: 10_000 } });
  const params = { x: "y".repeat(4_000) };
  channel.send({ method: "m", params });
  channel.send({ method: "m", params });
  assertEquals(errors.length, 0);
  channel.send({ method: "m", params });
  assertEquals(errors.map((error) => error.code), ["session-ended"]);
});

Deno.test("SessionChannel writes little to a peer that floods and does not read", () => {
  const { channel, wire, delivered, errors } = setup();
  channel.attach(wire, 0);
  const payload = encodeMessage(numbered(1));
  for (let i = 0; i < 64_000; i++) {
    channel.receive(wire, decodeMessage(payload));
    channel.receive(wire, ack({ seen: 0 }));
  }
  assertEquals([delivered, errors.length], [["m1"], 0]);
  // One ack for 64 messages.
  assertEquals(wire.log.length, 1_000);
  assertEquals(channel.queuedBytes, 0);
});

Deno.test("SessionChannel.end() is said once, and stops everything", () => {
  const { channel, wire, errors, delivered } = setup();
  channel.attach(wire, 0);
  sendMany(channel, 2);
  wire.take();
  const error = new SwarmdError("removed", "Node was removed");
  channel.end(error);
  channel.end(new SwarmdError("internal", "Later"));
  sendMany(channel, 2);
  channel.receive(wire, numbered(1));
  const thrown = assertThrows(() => channel.attach(wire, 0));
  assertEquals([thrown, errors], [error, [error]]);
  assertEquals([wire.take(), delivered], [[], []]);
  assertEquals([channel.queuedBytes, channel.attached], [0, false]);
});

Deno.test("SessionChannel allows everything from within deliver", () => {
  const other = new FakeWire();
  const table: [
    act: (channel: SessionChannel) => void,
    wire: string[],
    other: string[],
  ][] = [
    [(channel) => sendMany(channel, 2), ["#1", "#2"], []],
    [(channel) => channel.detach(), [], []],
    [(channel) => channel.end(new SwarmdError("removed", "Gone")), [], []],
    [
      (channel) => {
        channel.attach(other, 0);
        sendMany(channel, 1);
      },
      [],
      ["#1"],
    ],
  ];
  for (const [act, written, elsewhere] of table) {
    const { channel, wire, delivered, clock } = setup({
      deliver: () => act(channel),
      limits: { ackAfterMessages: 2 },
    });
    channel.attach(wire, 0);
    channel.receive(wire, numbered(1));
    assertEquals([delivered, channel.lastSeen], [["m1"], 1]);
    assertEquals([wire.take(), other.take()], [written, elsewhere]);
    assertLessOrEqual(clock.pending, channel.attached ? 1 : 0);
  }
});

Deno.test("SessionChannel delivers in order when deliver receives the next message", () => {
  const { channel, wire, delivered } = setup({
    deliver: () => {
      if (channel.lastSeen < 3) {
        channel.receive(wire, numbered(channel.lastSeen + 1));
      }
    },
  });
  channel.attach(wire, 0);
  channel.receive(wire, numbered(1));
  assertEquals(delivered, ["m1", "m2", "m3"]);
});

Deno.test("SessionChannel survives a connection that ends while it is written to", () => {
  const { channel, errors } = setup();
  sendMany(channel, 5);
  const log: string[] = [];
  const brittle: Wire = {
    send(payload) {
      log.push(describe(decodeMessage(payload)));
      if (log.length === 3) channel.detach(brittle);
    },
  };
  channel.attach(brittle, 0);
  assertEquals(log, ["#1", "#2", "#3"]);
  // The peer got the first of them; a later greeting may still claim three.
  const second: Wire = { send: () => channel.detach(second) };
  channel.attach(second, 1);
  const wire = new FakeWire();
  channel.attach(wire, 3);
  assertEquals([wire.take(), errors], [["#4", "#5"], []]);
});

Deno.test("SessionChannel.ended may be answered with more calls", () => {
  let ended = 0;
  const channel: SessionChannel = new SessionChannel({
    clock: new FakeClock(),
    deliver: () => {},
    ended: (error: SwarmdError) => {
      ended += 1;
      channel.end(error);
      channel.send({ method: "m" });
      channel.detach();
    },
  });
  const wire = new FakeWire();
  channel.attach(wire, 0);
  channel.receive(wire, numbered(2));
  assertEquals([ended, wire.take()], [1, []]);
});

Deno.test("SessionChannel.queuedBytes counts what small messages cost beside their bytes", () => {
  const { channel } = setup();
  sendMany(channel, 10);
  const each = utf8('{"jsonrpc":"2.0","method":"m","n":1}').length;
  assertEquals(channel.queuedBytes, 10 * (each + 512) + 1);
});

Deno.test("SessionChannel.roomy says whether another message would wait", () => {
  const { channel, wire } = roomFor(2);
  assertEquals(channel.roomy, true);
  channel.send({ method: "one" });
  assertEquals(channel.roomy, true);
  channel.send({ method: "two" });
  assertEquals(channel.roomy, false);
  channel.receive(wire, { method: "ack", params: { seen: 1 } });
  assertEquals(channel.roomy, true);
  // Without a connection the window still says how much may be held.
  channel.detach();
  channel.send({ method: "three" });
  assertEquals(channel.roomy, false);
});

function roomFor(unackedMessages: number) {
  const wire = { send() {} };
  const channel = new SessionChannel({
    clock: new FakeClock(),
    deliver() {},
    ended() {},
    limits: { unackedMessages },
  });
  channel.attach(wire, 0);
  return { channel, wire };
}
