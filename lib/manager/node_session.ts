import { SwarmdError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import type { SignedHead } from "../cluster/audit_head.ts";
import type { NodeDescription } from "../cluster/node.ts";
import { Calls } from "../rpc/calls.ts";
import type { Connection } from "../rpc/connection.ts";
import { encodeMessage, type Message } from "../rpc/message.ts";
import type { Push, PushParams } from "../rpc/methods.ts";
import { SessionChannel, type Wire } from "../rpc/session_channel.ts";
import type { NodePeer } from "../cluster/admission.ts";

/** A connection, as much of it as a session needs. */
export interface Carrier {
  readonly connection: Connection;
  readonly wire: Wire;
  /** The node at the other end, as it is judged now. */
  readonly nodePeer: NodePeer | undefined;
  /** Certificate of this manager that the handshake was made with. */
  readonly servedWith: string;
  /** The session lives on another connection now. */
  retire(): void;
  /** Says why, and cuts. */
  refuse(error: SwarmdError): void;
  /** Asks the worker to open its next connection. */
  move(reason: string): void;
}

/** What a session is opened with. */
export interface SessionOptions {
  readonly id: string;
  readonly nodeId: string;
  readonly instance: string;
  readonly clock: Clock;
  serve(session: NodeSession, method: string, params: unknown): unknown;
  notified(session: NodeSession, method: string, params: unknown): void;
  /** The session is over; nothing more is delivered. */
  ended(session: NodeSession, error: SwarmdError): void;
}

/** A node's session as its manager holds it: it outlives its connections. */
export class NodeSession {
  readonly id: string;
  readonly nodeId: string;
  readonly instance: string;
  readonly #clock: Clock;
  readonly #channel: SessionChannel;
  readonly #calls: Calls;
  #connection: Carrier | undefined;
  /** Monotonic clock of the last beat, in milliseconds. */
  lastBeat: number;
  /** Wall clock of the last sign of life, in milliseconds. */
  lastSeen: number;
  /** Clock of the node minus ours, in milliseconds, at its last message. */
  skewMs: number | undefined;
  description: NodeDescription | undefined;
  trustRoot: string | undefined;
  /** Why its last renewal failed, as it says. */
  problem: string | undefined;
  /** Number of the newest head of the audit log that it was told, and when. */
  toldHead = { sequence: 0, at: -Infinity };
  /** The newest such head that it says it keeps. */
  keptHead: SignedHead | undefined;

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.nodeId = options.nodeId;
    this.instance = options.instance;
    this.#clock = options.clock;
    this.lastBeat = options.clock.monotonic();
    this.lastSeen = options.clock.now();
    this.#calls = new Calls({
      clock: options.clock,
      send: (message) => this.#channel.send(message),
      serve: ({ method, params }) => options.serve(this, method, params),
      notified: (method, params) => options.notified(this, method, params),
    });
    this.#channel = new SessionChannel({
      clock: options.clock,
      deliver: (message) => this.#calls.receive(message),
      ended: (error) => {
        this.#calls.end(error);
        options.ended(this, error);
      },
    });
  }

  /** The connection that the session lives on now. */
  get connection(): Carrier | undefined {
    return this.#connection;
  }

  /** Whether another message would not have to wait. */
  get roomy(): boolean {
    return this.#channel.roomy;
  }

  get queuedBytes(): number {
    return this.#channel.queuedBytes;
  }

  /** Highest number received; what a resuming peer goes on from. */
  get received(): number {
    return this.#channel.lastSeen;
  }

  /** The node is there. */
  beat(): void {
    this.lastBeat = this.#clock.monotonic();
    this.lastSeen = this.#clock.now();
  }

  /**
   * Writes on this connection from now on, from `peerLastSeen` + 1, and
   * retires the one before. Call it after the peer's `hello` was answered.
   */
  attach(connection: Carrier, peerLastSeen: number): void {
    const before = this.#connection;
    try {
      this.#channel.attach(connection.wire, peerLastSeen);
    } catch (error) {
      // Numbers that cannot be: the next `hello` is to begin a new session.
      if (error instanceof SwarmdError) this.end(error);
      throw error;
    }
    this.#connection = connection;
    this.beat();
    if (before && before !== connection) before.retire();
  }

  /** A connection ended; if the session lived on it, it waits for the next. */
  detach(connection: Carrier): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#channel.detach(connection.wire);
  }

  receive(connection: Carrier, message: Message & { n?: number }): void {
    this.#channel.receive(connection.wire, message);
  }

  push<P extends Push>(method: P, params: PushParams<P>): void {
    this.#calls.notify(method, params);
  }

  end(error: SwarmdError): void {
    this.#channel.end(error);
  }
}

/** Writes an unnumbered push on a connection. */
export function pushOn<P extends Push>(
  connection: Connection,
  method: P,
  params: PushParams<P>,
): void {
  connection.send(encodeMessage({ method, params } as Message));
}
