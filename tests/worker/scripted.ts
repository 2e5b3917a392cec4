import { type Bytes, toBase64 } from "../../lib/base/bytes.ts";
import { DAY, HOUR } from "../../lib/base/time.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { type LeafProfile, newSerial } from "../../lib/pki/profile.ts";
import type { Connection } from "../../lib/rpc/connection.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type WireMessage,
} from "../../lib/rpc/message.ts";
import { errorToWire } from "../../lib/rpc/wire_error.ts";
import { forgeLeaf, type Forgery } from "../fakes/forge.ts";
import type { House } from "../manager/house.ts";
import type { Server } from "./net.ts";

/** A request, and the connection on which it came. */
export interface Asked {
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly line: ScriptedLine;
}

/** Gives a result, throws a refusal, or answers nothing. */
export type Answer = (asked: Asked) => unknown;

/** No answer at all. */
export const SILENCE = Symbol("silence");

/** One connection to a scripted manager. */
export class ScriptedLine {
  readonly connection: Connection;
  readonly received: WireMessage[] = [];
  closed = false;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  send(message: WireMessage): void {
    this.connection.send(encodeMessage(message));
  }

  push(method: string, params: unknown): void {
    this.send({ method, params });
  }

  /** What was asked or told on it, numbered or not. */
  heard(method: string): Record<string, unknown>[] {
    return this.received.flatMap((message) =>
      "method" in message && message.method === method
        ? [message.params as Record<string, unknown>]
        : []
    );
  }
}

/** A manager that says what a test wants it to say. */
export class Scripted implements Server {
  readonly lines: ScriptedLine[] = [];
  readonly answers: Record<string, Answer>;
  presented: readonly Bytes[];
  /** Whether it answers heartbeats. */
  beats = true;
  readonly #house: House;

  constructor(house: House, presented: readonly Bytes[]) {
    this.#house = house;
    this.presented = presented;
    this.answers = {
      "hello": ({ params }) => this.greeting(params),
      "ca.root": () => ({
        certificate: house.cluster.root.certificate,
        links: [],
      }),
    };
  }

  /** With a certificate that the house's authority signed. */
  static async of(house: House): Promise<Scripted> {
    return new Scripted(house, [await managerLeaf(house)]);
  }

  get last(): ScriptedLine {
    const line = this.lines.at(-1);
    if (line) return line;
    throw new Error("Nobody came");
  }

  /** What a manager of this cluster says to hello; sessions are opened. */
  greeting(params: Record<string, unknown>): Record<string, unknown> {
    const { session } = params;
    const { id, resume } = (session ?? {}) as Record<string, unknown>;
    return {
      protocol: 1,
      version: "1",
      features: [],
      now: this.#house.clock.now(),
      cluster: this.#house.cluster.id,
      manager: this.#house.manager.id,
      heartbeatMs: 5_000,
      managers: [],
      ...(id !== undefined &&
        { session: { id, resumed: resume, lastSeen: 0 } }),
    };
  }

  chain(): readonly Bytes[] {
    return this.presented;
  }

  accept(connection: Connection): void {
    const line = new ScriptedLine(connection);
    this.lines.push(line);
    connection.start({
      message: (payload) => this.#heard(line, decodeMessage(payload)),
      closed: () => line.closed = true,
    });
    connection.admit();
  }

  #heard(line: ScriptedLine, message: WireMessage): void {
    line.received.push(message);
    if (!("method" in message)) return;
    if ("id" in message) void this.#reply(line, message);
    else if (message.method === "heartbeat" && this.beats) {
      line.push("heartbeat", { now: this.#house.clock.now() });
    }
  }

  async #reply(
    line: ScriptedLine,
    message: Extract<WireMessage, { method: string; id: number }>,
  ): Promise<void> {
    const { id, method } = message;
    const params = (message.params ?? {}) as Record<string, unknown>;
    try {
      const answer = this.answers[method];
      const result = await answer?.({ method, params, line });
      if (result !== SILENCE) line.send({ id, result } as Message);
    } catch (error) {
      if (!(error instanceof SwarmdError)) throw error;
      line.send({ id, error: errorToWire(error) } as Message);
    }
  }
}

/** The profile of a manager of a house, or what is asked instead. */
export function profileIn(
  house: House,
  change: Partial<LeafProfile> & Pick<LeafProfile, "spki">,
): LeafProfile {
  const now = wholeSeconds(house.clock.now());
  return {
    clusterId: house.cluster.id,
    nodeId: house.manager.id,
    role: "manager",
    serial: newSerial(house.random),
    notBefore: now - HOUR,
    notAfter: now + 90 * DAY,
    dnsNames: [],
    ipAddresses: [],
    ...change,
  };
}

/** Certificates count whole seconds. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}

/** A leaf of a manager, signed by the authority of its house. */
export async function managerLeaf(
  house: House,
  change: Partial<LeafProfile> & { readonly forgery?: Forgery } = {},
): Promise<Bytes> {
  const { forgery, ...profile } = change;
  const { spki } = await house.crypto.generateKey();
  return await forgeLeaf(house.crypto, {
    ...forgery,
    forger: house.authority,
    profile: profileIn(house, { spki, ...profile }),
  });
}

/** An answer with a certificate, as it travels. */
export function issuedAnswer(
  house: House,
  made: { readonly node: string; readonly chain: readonly Bytes[] },
): Record<string, unknown> {
  const now = house.clock.now();
  return {
    node: made.node,
    cluster: house.cluster.id,
    role: "worker",
    chain: made.chain.map(toBase64),
    issuedAt: now,
    now,
  };
}
