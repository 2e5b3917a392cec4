import type { Bytes } from "../../lib/base/bytes.ts";
import type { Clock } from "../../lib/base/time.ts";
import { FramedConnection } from "../../lib/net/framed_connection.ts";
import type { Connection, PeerFacts } from "../../lib/rpc/connection.ts";
import { type Host, Pipe, type Segment } from "./pipe.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** A running process, as much of it as the network needs. */
export interface NetProcess {
  readonly host: Host;
  readonly clock: Clock;
  /** False from the moment at which it is killed. */
  readonly alive: boolean;
  readonly links: Set<Link>;
}

/** How a link is made. */
export interface LinkOptions {
  readonly clock: VirtualClock;
  readonly client: NetProcess;
  readonly serverHost: Host;
  /** The handshake's last message has come to the server. */
  readonly opened: () => void;
  /** What the client's process wrote. */
  readonly wrote: (chunk: Bytes) => void;
  /** Before a chunk is delivered to the client; false: the link is cut instead. */
  readonly passes: (chunk: Bytes) => boolean;
  /** Both ends are closed. */
  readonly ended: () => void;
  readonly log: (what: string) => void;
}

type Side = "client" | "server";

/** One connection between two processes: two pipes, and a socket at each end. */
export class Link {
  readonly client: NetProcess;
  readonly #options: LinkOptions;
  readonly #pipes: { readonly [S in Side]: Pipe };
  readonly #sockets: { [S in Side]: SimSocket | undefined } = {
    client: undefined,
    server: undefined,
  };

  constructor(options: LinkOptions) {
    const { clock, client, serverHost } = options;
    this.client = client;
    this.#options = options;
    const pipe = (from: Side, to: Side) =>
      new Pipe({
        clock,
        from: from === "client" ? client.host : serverHost,
        to: to === "client" ? client.host : serverHost,
        arrived: (segment) => this.#arrived(to, segment),
        gaveUp: () => this.#sockets[from]?.lost("ETIMEDOUT"),
      });
    this.#pipes = {
      client: pipe("client", "server"),
      server: pipe("server", "client"),
    };
  }

  /** Opens the socket of one end. */
  open(side: Side, facts: PeerFacts, process: NetProcess): Connection {
    const pipe = this.#pipes[side];
    const wrote = side === "client" ? this.#options.wrote : () => {};
    const closed = () => this.#closed(side, process);
    const socket = new SimSocket({ facts, process, pipe, wrote, closed });
    process.links.add(this);
    this.#sockets[side] = socket;
    if (side === "client") pipe.push({ kind: "open" });
    return socket;
  }

  /** Both ends are told at once; what is on its way is lost. */
  cut(): void {
    this.#clear();
    this.#sockets.client?.lost("ECONNRESET");
    this.#sockets.server?.lost("ECONNRESET");
  }

  /** One end is closed by its process. */
  destroy(side: Side): void {
    this.#sockets[side]?.destroy();
  }

  /** Nothing arrives any more, and nobody is told. */
  blackHole(): void {
    this.#clear();
    this.#pipes.client.blackHole = this.#pipes.server.blackHole = true;
  }

  /** There is nobody at the server's end. */
  refuse(): void {
    this.#pipes.server.push({ kind: "reset" });
  }

  /** A host may be reachable again. */
  resume(): void {
    this.#pipes.client.resume();
    this.#pipes.server.resume();
  }

  /** Its process is gone; its system says so, unless the machine is gone too. */
  killed(process: NetProcess, { silent }: { silent: boolean }): void {
    const side = process === this.client ? "client" : "server";
    this.#closed(side, process);
    if (silent) this.#pipes[side].clear();
    else this.#pipes[side].push({ kind: "end" });
  }

  #closed(side: Side, process: NetProcess): void {
    process.links.delete(this);
    this.#sockets[side] = undefined;
    const { client, server } = this.#sockets;
    if (!client && !server) this.#options.ended();
  }

  #clear(): void {
    this.#pipes.client.clear();
    this.#pipes.server.clear();
  }

  #arrived(side: Side, segment: Segment): void {
    const { log, opened, passes } = this.#options;
    log(`${segment.kind} ${"chunk" in segment ? segment.chunk.length : ""}`);
    if (segment.kind === "open") return opened();
    const socket = this.#sockets[side];
    if (!socket) {
      if (segment.kind === "data") this.#pipes[side].push({ kind: "reset" });
    } else if (segment.kind === "reset") socket.lost("ECONNRESET");
    else if (segment.kind === "end") socket.peerEnded();
    else if (side === "client" && !passes(segment.chunk)) this.cut();
    else socket.arrived(segment.chunk);
  }
}

interface SocketOptions {
  readonly facts: PeerFacts;
  readonly process: NetProcess;
  /** Where it writes. */
  readonly pipe: Pipe;
  readonly wrote: (chunk: Bytes) => void;
  readonly closed: () => void;
}

/** One end: the frames, limits and order of a real connection, over a pipe. */
class SimSocket extends FramedConnection {
  readonly #pipe: Pipe;
  readonly #process: NetProcess;
  readonly #wrote: (chunk: Bytes) => void;
  readonly #closed: () => void;
  #finished = false;
  /** The system takes everything at once. */
  readonly queuedBytes = 0;

  constructor({ facts, process, pipe, wrote, closed }: SocketOptions) {
    super({ facts, clock: process.clock });
    this.#pipe = pipe;
    this.#process = process;
    this.#wrote = wrote;
    this.#closed = closed;
  }

  arrived(chunk: Bytes): void {
    this.received(chunk);
  }

  peerEnded(): void {
    this.ended();
  }

  lost(code: string): void {
    this.failed(Object.assign(new Error(code), { code }));
  }

  protected transmit(frame: Bytes): void {
    // What a killed process had still to do in this turn leaves no trace.
    if (!this.#process.alive) return;
    this.#wrote(frame);
    this.#pipe.push({ kind: "data", chunk: frame });
  }

  protected finish(): void {
    this.#finish();
  }

  protected abort(): void {
    this.#closed();
    this.#finish();
  }

  #finish(): void {
    if (this.#finished || !this.#process.alive) return;
    this.#finished = true;
    this.#pipe.push({ kind: "end" });
  }
}
