import { assert } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  decodeMessage,
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
export class FakeWire implements Wire {
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

export function describe(message: WireMessage): string {
  if (message.n !== undefined) return `#${message.n}`;
  assert("method" in message && message.method === "ack");
  const { seen, wanted } = message.params as { seen: number; wanted?: boolean };
  return `ack ${seen}${wanted ? " wanted" : ""}`;
}

interface Setup {
  readonly limits?: Partial<SessionLimits>;
  readonly deliver?: (message: Message) => void;
}

export function setup({ limits, deliver }: Setup = {}) {
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

export function numbered(n: number, method = `m${n}`): WireMessage {
  return { method, n };
}

export function ack(params: unknown): WireMessage {
  return { method: "ack", params };
}

export function sendMany(channel: SessionChannel, count: number): void {
  for (let i = 0; i < count; i++) channel.send({ method: "m" });
}

export function range(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `#${from + i}`);
}
