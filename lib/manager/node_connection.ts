import { type Bytes, fromBase64, toBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { NodePeer, Peer } from "../cluster/admission.ts";
import { authorize } from "../rpc/authorize.ts";
import type { Connection } from "../rpc/connection.ts";
import { decodeMessage, encodeMessage, type Message } from "../rpc/message.ts";
import { METHODS, parseAs } from "../rpc/methods.ts";
import type { HelloParams, HelloResult } from "../rpc/schemas.ts";
import type { Wire } from "../rpc/session_channel.ts";
import { errorToWire, forPeer } from "../rpc/wire_error.ts";
import type { Desk } from "./desk.ts";
import { type Carrier, type NodeSession, pushOn } from "./node_session.ts";
import type { Visitor } from "./waiting_room.ts";

/** Time for `hello` after the handshake, in milliseconds (trust.md §2.1). */
const HELLO_MS = 2_000;
/** Time for the one call of a connection without a session, in milliseconds. */
const ONE_CALL_MS = 15_000;
/** Time for the last words to a refused peer, in milliseconds (trust.md §2.1). */
const LAST_WORDS_MS = 50;
/** Time after which a worker is asked to move again, in milliseconds. */
const MOVE_AGAIN_MS = 10_000;
/** Nobody is there to be told. */
const ENDED = new SwarmdError("unreachable", "The connection has ended");
/** Version of the protocol that this manager speaks. */
export const PROTOCOL = 1;

/** Times that a node may say `hello` on one connection. */
const MAX_GREETINGS = 2;

type State =
  | "greeting"
  | "judging"
  | "waiting-call"
  | "calling"
  | "session"
  | "ended";

/**
 * One accepted connection, from `hello` to its end. It knows who the peer is
 * and what it may say when; everything else it asks the front desk.
 */
export class NodeConnection implements Carrier {
  readonly connection: Connection;
  readonly wire: Wire;
  readonly servedWith: string;
  readonly #desk: Desk;
  #state: State = "greeting";
  #greetings = 0;
  #peer: Peer = { kind: "anonymous" };
  #admittedAs: string | undefined;
  #session: NodeSession | undefined;
  /** Of the one call: aborted at the end. */
  #gone: AbortController | undefined;
  #cancelTimer: () => void = () => {};
  #movedAt = -Infinity;

  constructor(connection: Connection, desk: Desk) {
    this.connection = connection;
    this.wire = connection;
    this.servedWith = connection.facts.servedLeaf ?? desk.servingWith();
    this.#desk = desk;
    this.#within(HELLO_MS, "hello");
    connection.start(this);
  }

  get peer(): Peer {
    return this.#peer;
  }

  /** The node at the other end, once it is admitted. */
  get nodePeer(): NodePeer | undefined {
    return this.#peer.kind === "node" ? this.#peer : undefined;
  }

  /** Id of the node that it was admitted as; whoever greets again keeps it. */
  get admittedAs(): string | undefined {
    return this.#admittedAs;
  }

  message(payload: Bytes): void {
    try {
      this.#handle(decodeMessage(payload));
    } catch (error) {
      this.refuse(asSwarmdError(error));
    }
  }

  unreadable(error: SwarmdError): void {
    this.refuse(error);
  }

  closed(error?: unknown): void {
    this.#end();
    this.#desk.gone(this, error);
  }

  /** The session lives on another connection now. */
  retire(): void {
    this.#end();
    this.connection.close();
  }

  /** The record changed: the peer may do less now, or nothing more. */
  rejudge(peer: NodePeer): void {
    const before = this.nodePeer?.certificate;
    this.#peer = peer;
    // Not at the first look: who has just presented the newer one is about to
    // leave by itself, and would come a third time for being asked.
    if (peer.certificate === "previous" && before === "previous") {
      this.move("a newer certificate of this node is in use");
    }
  }

  /** Asks the worker to open its next connection; again only after a while. */
  move(reason: string): void {
    const now = this.#desk.clock.monotonic();
    if (now - this.#movedAt < MOVE_AGAIN_MS) return;
    this.#movedAt = now;
    pushOn(this.connection, "move", { reason });
  }

  /** Says why, and cuts, whatever the peer does. */
  refuse(error: SwarmdError, requestId?: number): void {
    if (this.#state === "ended") return;
    this.#end();
    this.#desk.refused(this, error);
    const now = this.#desk.clock.now();
    if (requestId !== undefined) this.#fail(requestId, error);
    const { code, message, hint } = forPeer(error);
    const params = { code, message, now, ...(hint !== undefined && { hint }) };
    pushOn(this.connection, "close", params);
    this.connection.close();
    this.#desk.clock.schedule(LAST_WORDS_MS, () => this.connection.destroy());
  }

  #end(): void {
    this.#state = "ended";
    this.#cancelTimer();
    this.#session?.detach(this);
    this.#gone?.abort(ENDED);
  }

  #within(ms: number, what: string): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#desk.clock.schedule(ms, () => {
      this.refuse(
        new SwarmdError("timed-out", `No ${what} within ${ms / 1_000} s`),
      );
    });
  }

  #handle(message: Message & { n?: number }): void {
    if (this.#state === "ended") return;
    if (this.#state === "session") return this.#inSession(message);
    if (!("method" in message) || !("id" in message)) {
      throw unexpected("a message that is no request");
    }
    if (message.method === "hello" && this.#mayGreet()) {
      this.#greetings++;
      this.#cancelTimer();
      this.#state = "judging";
      this.#run(message.id, () => this.#greet(message.id, message.params));
    } else if (this.#state === "waiting-call") {
      this.#state = "calling";
      this.#run(message.id, () => this.#oneCall(message));
    } else throw unexpected(`"${message.method}" while ${this.#state}`);
  }

  /** False when the connection ended while something was waited for. */
  get #isJudging(): boolean {
    return this.#state === "judging";
  }

  /**
   * A node whose session is unknown here greets again, with a new one: once,
   * since what it says of itself is written down.
   */
  #mayGreet(): boolean {
    if (this.#state === "greeting") return true;
    return this.#state === "waiting-call" && this.#peer.kind === "node" &&
      this.#greetings < MAX_GREETINGS;
  }

  #run(requestId: number, work: () => Promise<void>): void {
    work().catch((error) => this.refuse(asSwarmdError(error), requestId));
  }

  async #greet(id: number, rawParams: unknown): Promise<void> {
    const params = parseAs(METHODS.hello.params, {
      value: rawParams,
      what: "hello",
    });
    this.#peer = await this.#desk.identify(this.connection.facts);
    if (!this.#isJudging) return;
    authorize(this.#peer, "hello");
    this.#admit();
    // Its record may have changed while the chain was looked at.
    if (!this.#isJudging) return;
    checkGreeting(params, this.#peer);
    const session = await this.#openSession(params);
    const answer = await this.#answer(params, session);
    if (!this.#isJudging) return;
    this.#settle(session);
    this.connection.send(encodeMessage({ id, result: answer } as Message));
    if (!session) return;
    session.attach(this, params.session?.lastSeen ?? 0);
    this.#desk.attached(session.nodeId);
  }

  #admit(): void {
    if (this.#peer.kind !== "node") return;
    this.#admittedAs = this.#peer.nodeId;
    this.#desk.admitted(this, this.#admittedAs);
  }

  /** What comes next: the messages of its session, or one call. */
  #settle(session: NodeSession | undefined): void {
    this.#session = session;
    if (session) {
      this.#state = "session";
      this.connection.admit();
    } else {
      this.#state = "waiting-call";
      this.#within(ONE_CALL_MS, "call");
    }
  }

  async #openSession(
    { session: asked, bundle: trusts }: HelloParams,
  ): Promise<NodeSession | undefined> {
    if (this.#peer.kind !== "node" || !asked) return undefined;
    const wanted = { ...asked, ...(trusts !== undefined && { trusts }) };
    return await this.#desk.openSession(this, this.#peer, wanted);
  }

  async #answer(
    params: HelloParams,
    session: NodeSession | undefined,
  ): Promise<HelloResult> {
    const greeting = this.#desk.greeting();
    const { session: asked } = params;
    if (this.#peer.kind !== "node" || !asked) {
      const proof = await this.#proof(params);
      return { ...greeting, ...(proof && { proof }) };
    }
    const { id, resume } = asked;
    const state = session
      ? { resumed: resume, lastSeen: session.received }
      : { resumed: false, lastSeen: 0 };
    const nextMs = this.#desk.nextBeat();
    return { ...greeting, nextMs, session: { id, ...state } };
  }

  async #proof(params: HelloParams): Promise<string | undefined> {
    if (!params.prove) return undefined;
    const { token, nonce } = params.prove;
    const proof = await this.#desk.prove(token, {
      nonce: fromBase64(nonce),
      leafFingerprint: this.servedWith,
    });
    return proof && toBase64(proof);
  }

  async #oneCall(
    request: Extract<Message, { method: string; id: number }>,
  ): Promise<void> {
    const method = authorize(this.#peer, request.method);
    if (METHODS[method].carriage !== "connection") {
      throw unexpected(`"${method}" outside a session`);
    }
    const result = await this.#desk.serveOutside(method, {
      params: parseAs(METHODS[method].params, {
        value: request.params,
        what: method,
      }),
      peer: this.#peer,
      address: this.connection.facts.remote.host,
      visitor: this.#visitor(),
    });
    if (this.#state !== "calling") return;
    this.connection.send(
      encodeMessage({ id: request.id, result } as Message),
    );
    this.retire();
  }

  /**
   * While it waits, another message is one too many, as in every other call, and
   * frames stay as short as a stranger's.
   */
  #visitor(): Visitor {
    const { connection } = this;
    this.#gone = new AbortController();
    return {
      connection,
      gone: this.#gone.signal,
      wait: () => {
        this.#cancelTimer();
        connection.keep();
      },
      refuse: (error) => this.refuse(error),
    };
  }

  #inSession(message: Message & { n?: number }): void {
    const session = this.#session;
    if (!session) throw unexpected("a session message without a session");
    const numbered = message.n !== undefined;
    if (
      !numbered && "method" in message && message.method === "heartbeat"
    ) {
      const beat = parseAs(METHODS.heartbeat.params, {
        value: message.params,
        what: "heartbeat",
      });
      this.#desk.beat(session, beat.now);
    } else session.receive(this, message);
  }

  #fail(id: number, error: SwarmdError): void {
    const now = this.#desk.clock.now();
    this.connection.send(
      encodeMessage({ id, error: errorToWire(error, now) } as Message),
    );
  }
}

/** @throws {SwarmdError} when there is nothing to talk about */
function checkGreeting({ protocols, session }: HelloParams, peer: Peer): void {
  if (!protocols.includes(PROTOCOL)) {
    throw new SwarmdError(
      "protocol-version",
      `Cannot talk: the caller speaks protocol ${
        protocols.join(", ")
      }, this manager ${PROTOCOL}`,
      { verdict: "stop", hint: "Bring both to the same version of swarmd" },
    );
  }
  if (peer.kind !== "recovering" || !session) return;
  throw new SwarmdError(
    peer.reason,
    `Cannot open a session: ${peer.message}`,
    {
      hint:
        "It asks to recover; where that is refused, an operator lets it in with `swarmd node accept`, or it joins again with `swarmd worker join`",
    },
  );
}

function unexpected(what: string): SwarmdError {
  return new SwarmdError("bad-message", `Cannot accept ${what}`, {
    verdict: "stop",
  });
}

/** What is no peer's fault goes to the log, and not to the peer. */
function asSwarmdError(cause: unknown): SwarmdError {
  if (cause instanceof SwarmdError) return cause;
  const text = "Cannot go on: internal error, its details are in the log";
  return new SwarmdError("internal", text, { cause });
}
