import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import type { SwarmdError } from "../../lib/base/errors.ts";
import { encodeFrame, FrameDecoder } from "../../lib/rpc/frame.ts";
import {
  decodeMessage,
  encodeMessage,
  type WireMessage,
} from "../../lib/rpc/message.ts";
import {
  SessionChannel,
  type SessionLimits,
  type Wire,
} from "../../lib/rpc/session_channel.ts";
import { FakeClock } from "../fakes/clock.ts";

const MAX_FRAME = 1 << 20;
/** Memory that a held message costs besides its bytes. */
const OVERHEAD = 512;

/** One end of a connection; what was written to it waits in `inbox`. */
class End implements Wire {
  readonly side: Side;
  inbox: Bytes[] = [];
  /** This side has not closed it, and was not told that it ended. */
  open = true;
  #decoder = new FrameDecoder(MAX_FRAME);
  #link: Link;

  constructor(link: Link, side: Side) {
    this.#link = link;
    this.side = side;
  }

  send(payload: Bytes): void {
    if (!this.open) return;
    this.side.wrote(payload);
    if (!this.#link.cut) {
      this.#link.other(this).inbox.push(encodeFrame(payload));
    }
  }

  /** Lets so many bytes arrive. */
  flow(count: number): void {
    let left = count;
    while (left > 0) {
      const chunk = this.inbox.shift();
      if (!chunk) return;
      if (chunk.length > left) this.inbox.unshift(chunk.slice(left));
      for (const payload of this.#decoder.push(chunk.slice(0, left))) {
        if (this.open) this.side.heard(this, decodeMessage(payload));
      }
      left -= chunk.length;
    }
  }

  /** Loses all but so many of the bytes on their way. */
  truncate(keep: number): void {
    const bytes = this.inbox.flatMap((chunk) => [...chunk]).slice(0, keep);
    this.inbox = bytes.length > 0 ? [Uint8Array.from(bytes)] : [];
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.#link.cut = true;
    this.side.channel.detach(this);
  }
}

/** A connection between the two sides. */
class Link {
  readonly ends: readonly [worker: End, manager: End];
  /** Nothing written from now on arrives. */
  cut = false;

  constructor(worker: Side, manager: Side) {
    this.ends = [new End(this, worker), new End(this, manager)];
  }

  other(end: End): End {
    return end === this.ends[0] ? this.ends[1] : this.ends[0];
  }
}

/** One side of the session, and what its application saw. */
abstract class Side {
  readonly channel: SessionChannel;
  readonly delivered: number[] = [];
  readonly ends: SwarmdError[] = [];
  sent = 0;
  repeats = 0;
  /** Numbered messages that were written and, as far as this side was told, not seen. */
  #unacked = new Map<number, number>();
  #written = 0;
  #limits: SessionLimits;

  constructor(clock: FakeClock, limits: SessionLimits) {
    this.#limits = limits;
    this.channel = new SessionChannel({
      clock,
      limits,
      deliver: (message) => {
        assert("params" in message);
        this.delivered.push((message.params as { i: number }).i);
      },
      ended: (error) => this.ends.push(error),
    });
  }

  /** The application sends its next number, with some padding. */
  sendNext(padding: number): void {
    const params = { i: ++this.sent, pad: "x".repeat(padding) };
    this.channel.send({ method: "number", params });
  }

  wrote(payload: Bytes): void {
    const { n } = decodeMessage(payload);
    if (n === undefined) return;
    if (n <= this.#written) this.repeats += 1;
    this.#written = Math.max(this.#written, n);
    this.#unacked.set(n, payload.length);
    this.#checkWindow();
  }

  heard(end: End, message: WireMessage): void {
    if (message.n === undefined && "id" in message) {
      return this.greeted(end, message);
    }
    const ack = "method" in message && message.method === "ack";
    if (ack && message.n === undefined && this.listensTo(end)) {
      this.#learn((message.params as { seen: number }).seen);
    }
    this.channel.receive(end, message);
  }

  /** Repeats what an old connection said; the channel must not care. */
  replay(end: End, message: WireMessage): void {
    this.channel.receive(end, message);
  }

  attach(end: End, peerLastSeen: number): void {
    this.#learn(peerLastSeen);
    this.carrier = end;
    this.channel.attach(end, peerLastSeen);
  }

  carrier: End | undefined;

  listensTo(end: End): boolean {
    return end === this.carrier && end.open && this.ends.length === 0;
  }

  abstract greeted(end: End, message: WireMessage): void;

  #learn(seen: number): void {
    for (const n of this.#unacked.keys()) {
      if (n <= seen) this.#unacked.delete(n);
    }
  }

  #checkWindow(): void {
    const sizes = [...this.#unacked.values()];
    assertLessOrEqual(sizes.length, this.#limits.unackedMessages);
    if (sizes.length < 2) return;
    const sum = sizes.reduce((a, b) => a + b, 0);
    assertLessOrEqual(sum, this.#limits.unackedBytes);
  }
}

class Worker extends Side {
  dialled: End | undefined;

  greeted(end: End, message: WireMessage): void {
    assert("result" in message);
    if (end !== this.dialled) return;
    this.dialled = undefined;
    this.attach(end, (message.result as { lastSeen: number }).lastSeen);
  }
}

interface Greeting {
  readonly end: End;
  readonly peerLastSeen: number;
  readonly lastSeen: number;
}

class Manager extends Side {
  /** Greetings that are looked into; none when it answers at once. */
  pending: Greeting[] = [];
  slow = false;

  greeted(end: End, message: WireMessage): void {
    assert("params" in message);
    const { lastSeen } = message.params as { lastSeen: number };
    this.pending.push({
      end,
      peerLastSeen: lastSeen,
      lastSeen: this.channel.lastSeen,
    });
    if (!this.slow) this.answer();
  }

  /** Answers first, then attaches, maybe long after `lastSeen` was read. */
  answer(): void {
    const greeting = this.pending.shift();
    if (!greeting?.end.open) return;
    const { end, lastSeen, peerLastSeen } = greeting;
    end.send(encodeMessage({ id: 0, result: { lastSeen } }));
    const old = this.carrier;
    this.attach(end, peerLastSeen);
    // The side that took over says so by closing: the other must notice.
    if (old !== end && !this.slow) old?.close();
  }
}

/** What happens next. Ends and links are counted back from the newest. */
export type Step =
  | { readonly do: "send"; readonly side: 0 | 1; readonly size: number }
  | { readonly do: "flow"; readonly end: number; readonly bytes: number }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "dial" }
  | { readonly do: "answer" }
  | { readonly do: "cut"; readonly link: number; readonly keep: number }
  | { readonly do: "notice"; readonly end: number }
  | { readonly do: "replay"; readonly pick: number };

/** A worker and a manager whose session lives on connections that fail. */
export class SessionPair {
  readonly clock = new FakeClock();
  readonly worker: Worker;
  readonly manager: Manager;
  attaches = 0;
  cuts = 0;
  #limits: SessionLimits;
  #links: Link[] = [];
  #history: { readonly end: End; readonly message: WireMessage }[] = [];

  constructor(limits: SessionLimits, options: { slow: boolean }) {
    this.#limits = limits;
    this.worker = new Worker(this.clock, limits);
    this.manager = new Manager(this.clock, limits);
    this.manager.slow = options.slow;
    for (const side of this.sides) this.#record(side);
  }

  get sides(): readonly [Side, Side] {
    return [this.worker, this.manager];
  }

  get ended(): boolean {
    return this.sides.some((side) => side.ends.length > 0);
  }

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case "send":
        this.sides[step.side].sendNext(step.size);
        break;
      case "flow":
        this.#end(step.end)?.flow(step.bytes);
        break;
      case "advance":
        await this.clock.advance(step.ms);
        break;
      case "dial":
        this.#dial();
        break;
      case "answer":
        this.manager.answer();
        break;
      case "cut":
        this.#cut(step);
        break;
      case "notice":
        this.#notice(step.end);
        break;
      case "replay":
        this.#replay(step.pick);
        break;
    }
    this.#checkBounds();
  }

  /**
   * Time, and one good connection: the present one if both sides are on it,
   * else a new one. Everything must arrive.
   */
  async settle(): Promise<void> {
    this.manager.slow = false;
    while (this.manager.pending.length > 0) this.manager.answer();
    await this.#quiet();
    if (this.ended || this.#isHealthy()) return;
    for (const end of this.#ends()) end.close();
    this.#dial();
    await this.#quiet();
  }

  /** Delivered is what the other sent: all of it, or its beginning. */
  checkDelivered(how: "all" | "prefix"): void {
    for (const [from, to] of [[0, 1], [1, 0]] as const) {
      const { sent } = this.sides[from];
      const { delivered } = this.sides[to];
      const count = how === "all" ? sent : delivered.length;
      assertEquals(delivered, Array.from({ length: count }, (_, i) => i + 1));
      assertLessOrEqual(count, sent);
    }
  }

  #record(side: Side): void {
    const heard = side.heard.bind(side);
    side.heard = (end, message) => {
      this.#history.push({ end, message });
      heard(end, message);
    };
    const attach = side.attach.bind(side);
    side.attach = (end, peerLastSeen) => {
      this.attaches += 1;
      attach(end, peerLastSeen);
    };
  }

  async #quiet(): Promise<void> {
    let quiet = 0;
    for (let i = 0; quiet < 2 && i < 10_000 && !this.ended; i++) {
      const busy = this.#ends().some((end) => end.inbox.length > 0);
      quiet = busy || this.clock.pending > 0 ? 0 : quiet + 1;
      for (const end of this.#ends()) end.flow(MAX_FRAME);
      this.#checkBounds();
      await this.clock.advance(50);
    }
  }

  /** Both sides live on the two ends of one connection. */
  #isHealthy(): boolean {
    return this.#links.some(({ cut, ends }) =>
      !cut && ends.every((end) => end.open && end === end.side.carrier)
    );
  }

  #ends(): End[] {
    return this.#links.flatMap((link) => [...link.ends]);
  }

  #end(pick: number): End | undefined {
    return this.#ends().at(-1 - pick);
  }

  #dial(): void {
    const link = new Link(this.worker, this.manager);
    this.#links.push(link);
    // An attempt that was not answered in time is given up, not taken back:
    // its greeting may still arrive.
    const abandoned = this.worker.dialled;
    this.worker.dialled = link.ends[0];
    abandoned?.close();
    const params = { lastSeen: this.worker.channel.lastSeen };
    link.ends[0].send(encodeMessage({ id: 0, method: "hello", params }));
  }

  #cut(step: { readonly link: number; readonly keep: number }): void {
    const link = this.#links[this.#links.length - 1 - step.link];
    if (!link) return;
    this.cuts += 1;
    link.cut = true;
    for (const end of link.ends) end.truncate(step.keep);
  }

  /** An end hears, maybe late, that its connection is no more. */
  #notice(pick: number): void {
    const end = this.#end(pick);
    const link = this.#links.find((each) => end && each.ends.includes(end));
    if (end && link?.cut && end.inbox.length === 0) end.close();
  }

  /** A connection that was left says again what it said. */
  #replay(pick: number): void {
    const heard = this.#history[pick % Math.max(1, this.#history.length)];
    if (!heard || heard.end === heard.end.side.carrier) return;
    heard.end.side.replay(heard.end, heard.message);
  }

  #checkBounds(): void {
    const { maxWaitingBytes, unackedBytes, unackedMessages } = this.#limits;
    const largest = 1_000 + OVERHEAD;
    const most = maxWaitingBytes + unackedBytes + unackedMessages * OVERHEAD +
      largest;
    let timers = 0;
    for (const { channel, ends } of this.sides) {
      assertLessOrEqual(channel.queuedBytes, most);
      assertLessOrEqual(ends.length, 1);
      timers += channel.attached ? 1 : 0;
    }
    assertLessOrEqual(this.clock.pending, timers);
  }
}
