import {
  assertEquals,
  assertGreater,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { decodeMessage, encodeMessage } from "../../lib/rpc/message.ts";
import { SessionChannel, type Wire } from "../../lib/rpc/session_channel.ts";
import { FakeClock } from "../fakes/clock.ts";
import {
  ack,
  FakeWire,
  numbered,
  range,
  sendMany,
  setup,
} from "./session_channel_rig.ts";

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
