import type { Bytes } from "../../lib/base/bytes.ts";
import type { Clock } from "../../lib/base/time.ts";
import { FramedConnection } from "../../lib/net/framed_connection.ts";
import type { PeerFacts } from "../../lib/rpc/connection.ts";
import { FrameDecoder } from "../../lib/rpc/frame.ts";
import { decodeMessage, type WireMessage } from "../../lib/rpc/message.ts";

/** How a pipe is made. */
export interface PipeOptions {
  readonly clock: Clock;
  /** What each end knows of the other. Default: nobody in particular. */
  readonly near?: Partial<PeerFacts>;
  readonly far?: Partial<PeerFacts>;
}

/** A connection in memory: both ends, with the framing of real ones. */
export interface Pipe {
  readonly near: PipeEnd;
  readonly far: PipeEnd;
  /** Breaks it; both are told. What is on its way is lost. */
  cut(): void;
  /** Nothing arrives any more, and nobody is told. */
  freeze(): void;
}

/** Makes a connection whose ends talk within a turn of the event loop. */
export function pipe({ clock, near, far }: PipeOptions): Pipe {
  const ends = {
    near: new PipeEnd({ clock, facts: factsOf(near) }),
    far: new PipeEnd({ clock, facts: factsOf(far) }),
  };
  ends.near.peer = ends.far;
  ends.far.peer = ends.near;
  const both = [ends.near, ends.far];
  return {
    ...ends,
    cut: () => both.forEach((end) => end.lose()),
    freeze: () => both.forEach((end) => end.reading = false),
  };
}

type Item = Bytes | "end";

/** One end of a pipe. */
export class PipeEnd extends FramedConnection {
  peer: PipeEnd | undefined;
  /** Every message that this end wrote. */
  readonly sent: WireMessage[] = [];
  /** Whether this end's process lets go of the socket. */
  destroyed = false;
  #inbox: Item[] = [];
  #reading = true;
  #scheduled = false;

  /** False: what comes waits, and the other end sees it wait. */
  set reading(reads: boolean) {
    this.#reading = reads;
    this.#soon();
  }

  /** Bytes that came and were not read. */
  get unread(): number {
    return this.#inbox.reduce((sum, item) => sum + lengthOf(item), 0);
  }

  get queuedBytes(): number {
    return this.peer?.unread ?? 0;
  }

  /** The system says that the connection is broken. */
  lose(): void {
    this.#inbox = [];
    const cause = new Error("Connection reset by peer");
    this.failed(Object.assign(cause, { code: "ECONNRESET" }));
  }

  protected transmit(frame: Bytes): void {
    this.sent.push(...messagesOf(frame));
    this.peer?.push(frame);
  }

  protected finish(): void {
    this.peer?.push("end");
  }

  protected abort(): void {
    this.destroyed = true;
    this.#inbox = [];
    this.peer?.push("end");
  }

  push(item: Item): void {
    this.#inbox.push(item);
    this.#soon();
  }

  #soon(): void {
    if (this.#scheduled || !this.#reading) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#read());
  }

  #read(): void {
    this.#scheduled = false;
    if (!this.#reading) return;
    const item = this.#inbox.shift();
    if (item === undefined) return;
    if (item === "end") {
      this.ended();
      this.peer?.ended();
    } else this.received(item);
    this.#soon();
  }
}

function lengthOf(item: Item): number {
  return item === "end" ? 0 : item.length;
}

/** Contract tests send what is no message; that is of no interest here. */
function messagesOf(frame: Bytes): WireMessage[] {
  try {
    return new FrameDecoder(frame.length).push(frame).map(decodeMessage);
  } catch {
    return [];
  }
}

function factsOf(facts: Partial<PeerFacts> = {}): PeerFacts {
  return {
    remote: { host: "10.0.0.9", port: 40_000 },
    tlsVersion: "TLSv1.3",
    resumed: false,
    presented: [],
    ...facts,
  };
}
