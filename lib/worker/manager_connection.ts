import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { type Clock, MINUTE, SECOND } from "../base/time.ts";
import type { Connection } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import {
  decodeMessage,
  encodeMessage,
  type Failure,
  type Message,
  type WireMessage,
} from "../rpc/message.ts";
import {
  type Method,
  METHODS,
  type Params,
  parseAs,
  PUSHES,
  type PushParams,
  type Result,
} from "../rpc/methods.ts";
import { errorFromWire } from "../rpc/wire_error.ts";

/** Time for an answer outside a session, in milliseconds. */
const ANSWER_MS = 20 * SECOND;
/** The same for `hello`, which no manager has to ask anybody else for. */
const HELLO_MS = 10 * SECOND;
/** Between two signs that an answer is pending: what a manager may ask for. */
const MIN_PENDING_MS = SECOND;
const MAX_PENDING_MS = 2 * MINUTE;
/** Such signs that may be missed before the manager counts as gone. */
const MISSED = 3;

/** What happens on a connection to a manager, besides answers. */
export interface ManagerEvents {
  /** A message of the session. */
  message(message: WireMessage): void;
  heartbeat(beat: { readonly now: number; readonly nextMs?: number }): void;
  /** The manager wants the session on another connection. */
  move(reason: string): void;
  /** It is over; with the manager's own words when it said why. */
  closed(error: SwarmdError): void;
}

/** What is asked outside a session. */
export interface Question<M extends Method> {
  readonly params: Params<M>;
  /**
   * Called in the turn in which the answer came, before anything that follows
   * it on the connection is looked at.
   */
  readonly answered?: (result: Result<M>) => void;
  /**
   * Called whenever the manager says that an operator has to decide, as the node
   * of this id. Without it no manager can have the answer take longer.
   */
  readonly pending?: (node: string) => void;
}

interface Waiting {
  readonly method: Method;
  /** In the very turn in which the answer came: what follows it matters. */
  readonly answered: (result: unknown) => void;
  readonly failed: (error: SwarmdError) => void;
  readonly pending: ((told: PushParams<"pending">) => void) | undefined;
}

/** One connection to a manager: a few calls of its own, then a session's messages. */
export class ManagerConnection {
  readonly connection: Connection;
  readonly #clock: Clock;
  readonly #events: ManagerEvents;
  #waiting: Waiting | undefined;
  #lastId = 0;
  #ended = false;
  #lastWords: SwarmdError | undefined;

  constructor(
    connection: Connection,
    options: { readonly clock: Clock; readonly events: ManagerEvents },
  ) {
    this.connection = connection;
    this.#clock = options.clock;
    this.#events = options.events;
    connection.start(this);
  }

  get ended(): boolean {
    return this.#ended;
  }

  send(payload: Bytes): void {
    this.connection.send(payload);
  }

  /**
   * Asks one thing outside a session.
   *
   * @throws {SwarmdError} the manager's refusal, `timed-out`, or why it ended
   */
  ask<M extends Method>(method: M, question: Question<M>): Promise<Result<M>> {
    if (this.#ended) return Promise.reject(lost());
    const { params, answered = () => {}, pending } = question;
    const { promise, resolve, reject } = Promise.withResolvers<Result<M>>();
    const limitMs = method === "hello" ? HELLO_MS : ANSWER_MS;
    let cancel = this.#giveUpAfter(limitMs, method);
    this.#waiting = {
      method,
      pending: pending && (({ node, nextMs }) => {
        cancel();
        cancel = this.#giveUpAfter(MISSED * bounded(nextMs), method);
        pending(node);
      }),
      failed: (error) => {
        cancel();
        reject(error);
      },
      answered: (raw) => {
        cancel();
        try {
          const result = parseAs(METHODS[method].result, {
            value: raw,
            what: method,
          });
          answered(result as Result<M>);
          resolve(result as Result<M>);
        } catch (error) {
          reject(error);
        }
      },
    };
    const id = ++this.#lastId;
    this.#send({ id, method, params });
    return promise;
  }

  #giveUpAfter(ms: number, method: Method): () => void {
    return this.#clock.schedule(ms, () => {
      const { remote } = this.connection.facts;
      const seconds = Math.round(ms / SECOND);
      const text = `Cannot go on with ${
        formatEndpoint(remote)
      }: no answer to "${method}" within ${seconds} s`;
      this.giveUp(new SwarmdError("timed-out", text));
    });
  }

  /** Sends a beat; the answer comes as an event. */
  beat(now: number): void {
    this.#send({ method: "heartbeat", params: { now } });
  }

  message(payload: Bytes): void {
    if (this.#ended) return;
    try {
      this.#handle(decodeMessage(payload));
    } catch (error) {
      const text = "Cannot read what the manager sent";
      this.giveUp(
        error instanceof SwarmdError
          ? error
          : new SwarmdError("bad-message", text, { cause: error }),
      );
    }
  }

  closed(error?: unknown): void {
    this.#over(
      this.#lastWords ?? (error instanceof SwarmdError ? error : lost(error)),
    );
  }

  /** It is of no use any more: whoever waits is told why, as of any end. */
  giveUp(error: SwarmdError): void {
    this.#over(error);
    this.connection.destroy();
  }

  /** Nothing more is wanted of it. No event follows. */
  retire(): void {
    this.#ended = true;
    this.#fail(lost());
    this.connection.close();
  }

  #handle(message: WireMessage): void {
    if (this.#answer(message)) return;
    if (!("method" in message) || "id" in message || message.n !== undefined) {
      return this.#events.message(message);
    }
    const { method, params } = message;
    if (method === "heartbeat") {
      const beat = parseAs(PUSHES.heartbeat.params, {
        value: params,
        what: method,
      });
      const { now, nextMs } = beat;
      this.#events.heartbeat(nextMs === undefined ? { now } : { now, nextMs });
    } else if (method === "move") {
      this.#events.move(
        parseAs(PUSHES.move.params, { value: params, what: method }).reason,
      );
    } else if (method === "close") this.#lastWords = wordsOf(params);
    else if (method === "pending" && this.#waiting?.pending) {
      const what = { value: params, what: method };
      this.#waiting.pending(parseAs(PUSHES.pending.params, what));
    } else this.#events.message(message);
  }

  /** Answers outside a session have no number; those of a session have one. */
  #answer(message: WireMessage): boolean {
    const waiting = this.#waiting;
    if (!waiting || message.n !== undefined || !("id" in message)) return false;
    if ("method" in message || message.id !== this.#lastId) return false;
    this.#waiting = undefined;
    if ("error" in message) waiting.failed(errorFromWire(message as Failure));
    else waiting.answered(message.result);
    return true;
  }

  #over(error: SwarmdError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#fail(error);
    this.#events.closed(error);
  }

  #fail(error: SwarmdError): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.failed(error);
  }

  #send(message: Message): void {
    this.connection.send(encodeMessage(message));
  }
}

function bounded(ms: number): number {
  return Math.min(Math.max(ms, MIN_PENDING_MS), MAX_PENDING_MS);
}

function wordsOf(params: unknown): SwarmdError {
  const { code, message, hint, now } = parseAs(PUSHES.close.params, {
    value: params,
    what: "close",
  });
  const data = { code, now, ...(hint !== undefined && { hint }) };
  return errorFromWire({ id: 0, error: { code: -32000, message, data } });
}

function lost(cause?: unknown): SwarmdError {
  const detail = cause === undefined ? {} : { cause };
  return new SwarmdError("unreachable", "The connection was lost", detail);
}
