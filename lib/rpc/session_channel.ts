import { SwarmdError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import type { Bytes } from "../base/bytes.ts";
import { encodeMessage, type Message, type WireMessage } from "./message.ts";
import { Outbox, type Window } from "./outbox.ts";

/** A connection, as much of it as a session needs. Known by its identity. */
export interface Wire {
  /** Queues and returns; after the end of the connection it does nothing. */
  send(payload: Bytes): void;
}

/** Bounds of one session. Both sides may differ. */
export interface SessionLimits extends Window {
  /** An ack is sent when so many messages are owed one ... */
  readonly ackAfterMessages: number;
  /** ... or the first of them has waited so long, in milliseconds. */
  readonly ackAfterMs: number;
  /** Memory for messages that wait outside the window, in bytes. */
  readonly maxWaitingBytes: number;
}

const DEFAULT_LIMITS: SessionLimits = {
  unackedMessages: 256,
  unackedBytes: 256 * 1024,
  ackAfterMessages: 64,
  ackAfterMs: 200,
  maxWaitingBytes: 4 * 1024 * 1024,
};

/** What a session needs from its surroundings. May be shared by sessions. */
export interface ChannelOptions {
  readonly clock: Clock;
  /** The next message of the peer: each once, in order. May call back. */
  readonly deliver: (message: Message) => void;
  /** Called once: after a gap, an overrun, a false ack, or `end`. */
  readonly ended: (error: SwarmdError) => void;
  /**
   * Default: 256 messages or 256 KiB in flight, an ack after 64 messages or
   * 200 ms, 4 MiB waiting.
   */
  readonly limits?: Partial<SessionLimits>;
}

/**
 * One side of a session that outlives its connections; the same for both
 * sides. What one side sends, the other delivers once and in order, or the
 * session ends and `ended` says why; telling the peer is the caller's.
 *
 * Acks are notifications without a number. Whoever has filled its window adds
 * `"wanted": true` to one, and the peer answers with an ack at once if it owes
 * any: else four large messages would wait for the 200 ms.
 *
 * The rules of taking over another connection, for the caller:
 *
 * - `attach` in the same turn in which the peer's `lastSeen` was read: what
 *   follows it on the wire is dropped until then, and missed.
 * - The side that answers writes the answer first, then attaches.
 * - The side that asked may go on with the old connection until the answer;
 *   once asked it never goes back to it, because the other side has left it.
 */
export class SessionChannel {
  #options: ChannelOptions;
  #limits: SessionLimits;
  #outbox: Outbox;
  #wire: Wire | undefined;
  #received = 0;
  /** Numbered messages that came since the last ack, repeated ones too. */
  #owed = 0;
  #cancelAck: (() => void) | undefined;
  /** Highest number written when an ack was last asked for. */
  #askedAt = 0;
  #error: SwarmdError | undefined;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#limits = options.limits
      ? { ...DEFAULT_LIMITS, ...options.limits }
      : DEFAULT_LIMITS;
    this.#outbox = new Outbox(this.#limits);
  }

  /** Highest number received: what the peer is told at a new connection. */
  get lastSeen(): number {
    return this.#received;
  }

  /** Memory held by messages that are not acknowledged, in bytes. */
  get queuedBytes(): number {
    return this.#outbox.heldBytes;
  }

  /** Whether a connection carries the session now. */
  get attached(): boolean {
    return this.#wire !== undefined;
  }

  /**
   * Continues on a connection, and only on it, from the first message that the
   * peer has not seen.
   *
   * A number below the last ack is no contradiction: the peer may have said it
   * on this connection, then acknowledged more on the old one, which was read
   * first. A peer that really lost messages finds a gap.
   *
   * @param peerLastSeen the peer's {@linkcode lastSeen}, as it said
   * @throws {SwarmdError} `session-ended` when the peer cannot have seen that;
   * nothing changes. Also after the end, the error that ended it
   */
  attach(wire: Wire, peerLastSeen: number): void {
    if (this.#error) throw this.#error;
    if (!this.#isPossible(peerLastSeen)) {
      const wanted = `want 0 to ${this.#outbox.written}`;
      throw broken("resume", `the peer saw message ${peerLastSeen}, ${wanted}`);
    }
    this.detach();
    this.#wire = wire;
    this.#outbox.acknowledge(peerLastSeen);
    this.#pump();
  }

  /** Waits for another connection. With a wire: only if it is the attached one. */
  detach(wire?: Wire): void {
    if (wire !== undefined && wire !== this.#wire) return;
    this.#wire = undefined;
    // The peer learns from lastSeen; if that is stale, it repeats itself.
    this.#clearOwed();
    this.#askedAt = 0;
    this.#outbox.rewind();
  }

  /**
   * Sends a message as soon as connection and window allow. Does nothing after
   * the end. Ends the session when too much waits.
   *
   * @throws {SwarmdError} `bad-message` when the peer could not read it;
   * nothing was sent
   */
  send(message: Message): void {
    if (this.#error) return;
    this.#outbox.add(message);
    this.#pump();
    const { maxWaitingBytes } = this.#limits;
    const waiting = this.#outbox.waitingBytes;
    if (waiting <= maxWaitingBytes) return;
    const found = `${waiting} bytes wait, want at most ${maxWaitingBytes}`;
    this.end(broken("overrun", found));
  }

  /**
   * Back-pressure: whether another message would not have to wait, or could be
   * held inside the window until there is a connection.
   */
  get roomy(): boolean {
    return this.#outbox.roomy;
  }

  /**
   * Takes a numbered message or an ack. From any other connection than the
   * attached one it is dropped: the peer repeats it on the right one.
   */
  receive(wire: Wire, message: WireMessage): void {
    if (wire !== this.#wire) return;
    if (message.n === undefined) return this.#receiveAck(message);
    if (message.n > this.#received + 1) {
      const found = `message ${message.n} came, want ${this.#received + 1}`;
      return this.end(broken("gap", found));
    }
    const isNew = message.n > this.#received;
    this.#received = Math.max(this.#received, message.n);
    this.#oweAck();
    // Last: it may send, detach or end.
    if (isNew) this.#options.deliver(message);
  }

  /** Ends it for good; what was not acknowledged is dropped. */
  end(error: SwarmdError): void {
    if (this.#error) return;
    this.#error = error;
    this.detach();
    this.#outbox.clear();
    this.#options.ended(error);
  }

  #isPossible(seen: unknown): seen is number {
    return typeof seen === "number" && Number.isSafeInteger(seen) &&
      seen >= 0 && seen <= this.#outbox.written;
  }

  #receiveAck(message: WireMessage): void {
    const { seen, wanted } = ackOf(message);
    const { acked, written } = this.#outbox;
    if (!this.#isPossible(seen) || seen < acked) {
      const found = `no ack came, or a false one, want ${acked} to ${written}`;
      return this.end(broken("ack", found));
    }
    this.#outbox.acknowledge(seen);
    if (wanted === true && this.#owed > 0) this.#sendAck(false);
    this.#pump();
  }

  #pump(): void {
    while (this.#wire) {
      const payload = this.#outbox.take();
      if (!payload) break;
      this.#wire.send(payload);
    }
    const asked = this.#askedAt === this.#outbox.written;
    if (this.#outbox.roomy || !this.#wire || asked) return;
    this.#askedAt = this.#outbox.written;
    this.#sendAck(true);
  }

  #oweAck(): void {
    this.#owed += 1;
    if (this.#owed >= this.#limits.ackAfterMessages) this.#sendAck(false);
    else {
      this.#cancelAck ??= this.#options.clock.schedule(
        this.#limits.ackAfterMs,
        () => this.#sendAck(false),
      );
    }
  }

  #sendAck(wanted: boolean): void {
    this.#clearOwed();
    const seen = this.#received;
    const params = wanted ? { seen, wanted } : { seen };
    this.#wire?.send(encodeMessage({ method: "ack", params }));
  }

  #clearOwed(): void {
    this.#owed = 0;
    this.#cancelAck?.();
    this.#cancelAck = undefined;
  }
}

function ackOf(message: WireMessage): { seen?: unknown; wanted?: unknown } {
  if (!("method" in message) || message.method !== "ack") return {};
  return "id" in message ? {} : message.params ?? {};
}

type Reason = "gap" | "overrun" | "ack" | "resume";

function broken(reason: Reason, found: string): SwarmdError {
  const doing = reason === "resume" ? "resume" : "continue";
  return new SwarmdError("session-ended", `Cannot ${doing} session: ${found}`, {
    data: { reason },
  });
}
