import type { Bytes } from "../../lib/base/bytes.ts";
import type { Clock } from "../../lib/base/time.ts";
import type { PeerFacts } from "../../lib/rpc/connection.ts";
import {
  decodeMessage,
  encodeMessage,
  type Failure,
  type Success,
  type WireMessage,
} from "../../lib/rpc/message.ts";
import { turn } from "../fakes/clock.ts";
import { type Pipe, pipe } from "../fakes/pipe.ts";

/** Whoever talks to a manager, with every message in the test's hand. */
export class Caller {
  readonly pipe: Pipe;
  readonly received: WireMessage[] = [];
  closed = false;
  #lastId = 0;
  #lastNumber = 0;

  constructor(clock: Clock, facts: Partial<PeerFacts>) {
    // The manager's end is the near one; what it knows is of this caller.
    this.pipe = pipe({ clock, near: facts });
    this.pipe.far.start({
      message: (payload: Bytes) => this.received.push(decodeMessage(payload)),
      closed: () => this.closed = true,
    });
    this.pipe.far.admit();
  }

  send(message: WireMessage): void {
    this.pipe.far.send(encodeMessage(message));
  }

  /** Asks, and gives what came back by the end of the turn. */
  async ask(
    method: string,
    params: unknown = {},
  ): Promise<Success | Failure | undefined> {
    const id = ++this.#lastId;
    this.send({ id, method, params });
    await turn();
    return this.answerTo(id);
  }

  /** Asks in the session, with the next number. */
  async askInSession(
    method: string,
    params: unknown = {},
  ): Promise<Success | Failure | undefined> {
    const id = ++this.#lastId;
    this.send({ id, method, params, n: ++this.#lastNumber });
    await turn();
    return this.answerTo(id);
  }

  /** Tells in the session, with the next number. */
  async tell(method: string, params: unknown = {}): Promise<void> {
    this.send({ method, params, n: ++this.#lastNumber });
    await turn();
  }

  /** The result of a call that must succeed. */
  async get(
    method: string,
    params: unknown = {},
  ): Promise<Record<string, unknown>> {
    return resultOf(await this.ask(method, params));
  }

  /** The code with which a call is refused; `undefined` when it is not. */
  async refusal(method: string, params: unknown = {}): Promise<unknown> {
    return codeOf(await this.ask(method, params));
  }

  /** The same, in the session. */
  async refusalInSession(
    method: string,
    params: unknown = {},
  ): Promise<unknown> {
    return codeOf(await this.askInSession(method, params));
  }

  /** Says hello; with a session, that of a node. */
  async hello(
    session?: Record<string, unknown>,
    change?: Record<string, unknown>,
  ): Promise<Success | Failure | undefined> {
    return await this.ask("hello", {
      protocols: [1],
      version: "1",
      features: [],
      ...(session && { session }),
      ...change,
    });
  }

  answerTo(id: number): Success | Failure | undefined {
    for (const message of this.received) {
      if (!("method" in message) && message.id === id) return message;
    }
    return undefined;
  }

  /** What the manager pushed under a name. */
  pushes(method: string): Record<string, unknown>[] {
    return this.received.flatMap((message) =>
      "method" in message && message.method === method
        ? [message.params as Record<string, unknown>]
        : []
    );
  }

  /** The reason with which the manager closed the connection. */
  get reason(): unknown {
    return this.pushes("close")[0]?.["code"];
  }
}

/** The code of an answer that is an error. */
export function codeOf(answer: Success | Failure | undefined): unknown {
  return answer && "error" in answer ? answer.error.data?.["code"] : undefined;
}

/** The result of an answer that must be good. */
export function resultOf(
  answer: Success | Failure | undefined,
): Record<string, unknown> {
  if (answer && "result" in answer) {
    return answer.result as Record<string, unknown>;
  }
  throw new Error(`The call failed: ${Deno.inspect(answer)}`);
}

/** Parameters of a new session. */
export function newSession(
  id: string,
  change: Record<string, unknown> = {},
): Record<string, unknown> {
  const instance = "i".repeat(25);
  return { id, lastSeen: 0, resume: false, instance, ...change };
}
