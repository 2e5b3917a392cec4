import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Bytes } from "../base/bytes.ts";
import type { PeerFacts } from "../rpc/connection.ts";
import {
  type ConnectionOptions,
  FramedConnection,
} from "./framed_connection.ts";

/** {@linkcode FramedConnection} over a TLS socket of `node:tls`. */
export class NodeConnection extends FramedConnection {
  readonly #socket: TLSSocket;

  constructor(socket: TLSSocket, options: ConnectionOptions) {
    super(options);
    this.#socket = socket;
    socket.setNoDelay();
    // Reading begins now: a paused TLS socket goes on to fill native memory
    // without bound.
    socket.on("data", (chunk: Uint8Array) => this.received(chunk));
    socket.on("error", (error) => this.failed(error));
    socket.on("end", () => this.close());
    socket.on("close", () => this.ended());
    if (socket.destroyed) this.ended();
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  protected transmit(frame: Bytes): void {
    this.#socket.write(frame);
  }

  protected finish(): void {
    this.#socket.end();
  }

  protected abort(): void {
    this.#socket.destroy();
  }
}

/** What TLS says about the other end of a socket whose handshake is done. */
export function factsOf(socket: TLSSocket): PeerFacts {
  return {
    remote: {
      host: plainAddress(socket.remoteAddress ?? ""),
      port: socket.remotePort ?? 0,
    },
    tlsVersion: socket.getProtocol() ?? "",
    // Unless the runtime says that it is none, it is one (T1)
    resumed: socket.isSessionReused() !== false,
    presented: presentedBy(socket),
  };
}

/** An address without the prefix of IPv4 over IPv6 sockets, and without zone. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
}

/** Not declared by `node:tls`: the one place that knows about it. */
interface Handle {
  getPeerCertificateChain?(): { certificates?: readonly Uint8Array[] } | null;
}

/**
 * The chain as it was sent. `getPeerCertificate(true)` will not do: it completes
 * the chain BY NAME from our own roots. Where the runtime no longer tells, the
 * leaf alone, so that chains with intermediates fail closed.
 */
function presentedBy(socket: TLSSocket): Bytes[] {
  const { _handle: handle } = socket as unknown as { _handle?: Handle | null };
  const chain = handle?.getPeerCertificateChain?.()?.certificates;
  if (chain) return chain.map((der) => new Uint8Array(der));
  const { raw } = socket.getPeerCertificate() ?? {};
  return raw ? [new Uint8Array(raw)] : [];
}

/** The TCP socket below, for logs; undefined where the runtime hides it. */
export function tcpSocketOf(socket: TLSSocket): Socket | undefined {
  return (socket as unknown as { _parent?: Socket })._parent;
}
