import {
  assert,
  assertEquals,
  assertFalse,
  assertLessOrEqual,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { decodeMessage, type WireMessage } from "../../lib/rpc/message.ts";
import { SessionChannel, type Wire } from "../../lib/rpc/session_channel.ts";
import { FakeClock } from "../fakes/clock.ts";
import {
  ack,
  describe,
  FakeWire,
  numbered,
  sendMany,
  setup,
} from "./session_channel_rig.ts";

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
