import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { type Clock, SECOND } from "../base/time.ts";
import type {
  Connection,
  ConnectionHandler,
  PeerFacts,
} from "../rpc/connection.ts";
import { MAX_FRAME, MAX_GREETING_FRAME } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { encodeFrame, FrameDecoder } from "../rpc/frame.ts";
import { tlsError } from "./tls_errors.ts";

/** How long `close` may take, in milliseconds. */
const CLOSE_MS = SECOND;
/**
 * What a peer that does not read may have us hold, in bytes: two of the largest
 * frames, and eight times what an unacknowledged session may queue.
 */
const MAX_QUEUED = 2 * 1024 * 1024;
/** What is held until `start`, in bytes: a first frame, and then some. */
const MAX_EARLY = 2 * MAX_GREETING_FRAME;

/** What a connection is made with. */
export interface ConnectionOptions {
  readonly facts: PeerFacts;
  readonly clock: Clock;
  /** Called by `admit`. */
  readonly admitted?: () => void;
  /** Called by `keep`. */
  readonly kept?: () => void;
  /** Default: 2 MiB. */
  readonly maxQueuedBytes?: number;
}

/**
 * The half of the {@linkcode Connection} contract that is the same over every
 * kind of socket. A subclass calls `received` and `ended`.
 *
 * A server holds thousands: fields are few and nothing is made in advance.
 */
export abstract class FramedConnection implements Connection {
  readonly #options: ConnectionOptions;
  readonly #decoder = new FrameDecoder(MAX_GREETING_FRAME);
  #handler: ConnectionHandler | undefined;
  /** Chunks that came before `start`. */
  #early: Uint8Array[] | undefined;
  #state: "open" | "closing" | "closed" | "told" = "open";
  /** What comes is read no more. */
  #deaf = false;
  #error: unknown;
  #cancelDeadline: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  abstract readonly queuedBytes: number;

  get facts(): PeerFacts {
    return this.#options.facts;
  }

  start(handler: ConnectionHandler): void {
    if (this.#handler) throw new TypeError("Cannot start connection twice");
    this.#handler = handler;
    queueMicrotask(() => this.#begin(handler));
  }

  keep(): void {
    this.#options.kept?.();
  }

  admit(): void {
    this.#decoder.limit = MAX_FRAME;
    this.#options.admitted?.();
  }

  send(payload: Bytes): void {
    if (this.#state !== "open") return;
    this.transmit(encodeFrame(payload));
    const limit = this.#options.maxQueuedBytes ?? MAX_QUEUED;
    if (this.queuedBytes <= limit) return;
    this.ended(
      new SwarmdError(
        "too-busy",
        `Cannot send to ${formatEndpoint(this.facts.remote)}: it does not ` +
          `read, and ${this.queuedBytes} bytes wait, want at most ${limit}`,
      ),
    );
  }

  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#cancelDeadline = this.#options.clock
      .schedule(CLOSE_MS, () => this.ended());
    this.finish();
  }

  destroy(): void {
    this.ended();
  }

  /** Hands a frame to the socket. A failure comes through {@linkcode ended}. */
  protected abstract transmit(frame: Bytes): void;

  /** Sends what is queued, then tells the peer that there is no more. */
  protected abstract finish(): void;

  /** Frees the socket, at once. */
  protected abstract abort(): void;

  /** Begins to read, where that has to wait for `start`. */
  protected resume(): void {}

  /** What came from the peer; the chunk may be used again afterwards. */
  protected received(chunk: Uint8Array): void {
    if (this.isClosed) return;
    if (!this.#handler || this.#early) return this.#keep(chunk);
    this.#deliver(chunk, this.#handler);
  }

  /** What the system or the TLS library says went wrong. */
  protected failed(cause: unknown): void {
    if (this.isClosed) return;
    const endpoint = this.facts.remote;
    this.ended(tlsError({ what: "go on with", endpoint }, cause));
  }

  /** The end, in order or with an error. Later calls do nothing. */
  protected ended(error?: unknown): void {
    if (this.isClosed) return;
    this.#state = "closed";
    this.#cancelDeadline?.();
    this.#early = undefined;
    this.#error = error;
    this.abort();
    queueMicrotask(() => this.#tell());
  }

  protected get isClosed(): boolean {
    return this.#state === "closed" || this.#state === "told";
  }

  #begin(handler: ConnectionHandler): void {
    if (this.isClosed) return this.#tell();
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const chunk of early) this.#deliver(chunk, handler);
    if (!this.isClosed) this.resume();
  }

  #keep(chunk: Uint8Array): void {
    this.#early ??= [];
    this.#early.push(chunk.slice());
    const held = this.#early.reduce((sum, each) => sum + each.length, 0);
    if (held <= MAX_EARLY) return;
    this.ended(
      new SwarmdError(
        "bad-frame",
        `Cannot read from ${
          formatEndpoint(this.facts.remote)
        }: ${held} bytes ` +
          `came before any was asked for, want at most ${MAX_EARLY}`,
      ),
    );
  }

  #deliver(chunk: Uint8Array, handler: ConnectionHandler): void {
    if (this.#deaf) return;
    try {
      for (const payload of this.#decoder.push(chunk)) {
        if (this.isClosed) return;
        handler.message(payload);
      }
    } catch (error) {
      const isFrame = error instanceof SwarmdError &&
        error.code === "bad-frame";
      if (!isFrame || !handler.unreadable) return this.ended(error);
      this.#deaf = true;
      handler.unreadable(error);
    }
  }

  /** Once, and never before `start`. */
  #tell(): void {
    const handler = this.#handler;
    if (!handler || this.#state === "told") return;
    this.#state = "told";
    if (this.#error === undefined) handler.closed();
    else handler.closed(this.#error);
  }
}
