import type { createServer } from "node:https";
import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { describeError, type ErrorCode, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type Clock, SECOND } from "../base/time.ts";
import type {
  Connection,
  Endpoint,
  Listener,
  PeerFacts,
  ServerCredentials,
} from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import {
  ConnectionLimits,
  DEFAULT_LIMITS,
  type LimitOptions,
} from "./connection_limits.ts";
import { answerHttp, type HttpHandler, httpLimits } from "./http.ts";
import { LogThrottle } from "../base/log_throttle.ts";
import {
  factsOf,
  NodeConnection,
  plainAddress,
  tcpSocketOf,
} from "./node_connection.ts";
import {
  checkServerCredentials,
  type NodeCrypto,
} from "./server_credentials.ts";
import { errnoOf, NODE_ALPN } from "./tls_errors.ts";

/** For a whole handshake, in milliseconds. */
const HANDSHAKE_MS = 5 * SECOND;
/**
 * Connections that the system may hold before they are accepted; it has a limit
 * of its own, often this one. With 511, a flood of 2,000 a second overflowed it
 * 2,000 times in 6 s, and a node whose packet was dropped waited 1 to 3 s.
 */
const BACKLOG = 4_096;

/** What became of a TCP connection; for metrics. */
export type Outcome =
  | "node"
  | "http"
  /** Refused before the handshake: too many from its address. */
  | "limited"
  /** Closed to make room for newer strangers. */
  | "evicted"
  | "failed"
  | "resumed"
  | "old-tls";

/** How a listener is made. */
export interface TlsServerOptions {
  /** Port 0 takes a free one. */
  readonly listen: Endpoint;
  readonly credentials: ServerCredentials;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly limits?: LimitOptions;
  /** For a whole handshake, in milliseconds. Default: 5 s. */
  readonly handshakeMs?: number;
  /** For a whole request of HTTP, in milliseconds. Default: 10 s. */
  readonly requestMs?: number;
  /** Takes a node's connection. Who it is, is not decided yet. */
  readonly accept: (connection: Connection) => void;
  /** Without it, every request is answered with 404. */
  readonly http?: HttpHandler;
  /** Told once of every TCP connection. */
  readonly settled?: (outcome: Outcome) => void;
}

/** Listens on the one TLS port. */
export interface TlsListener extends Listener {
  /**
   * What handshakes from now on present. Connections that are open, or in their
   * handshake, go on with the old.
   *
   * @throws {SwarmdError} `damaged-state` when the new credentials cannot work;
   * the old ones stay
   */
  replace(credentials: ServerCredentials): void;
}

/**
 * Listens for nodes (`swarmd/1`) and for HTTP clients on one port.
 *
 * @throws {SwarmdError} `damaged-state` when the credentials cannot work,
 * `too-busy` when another program listens there, `precondition` without the
 * right to, `usage` when the address cannot be listened on
 */
export async function listenTls(
  options: TlsServerOptions,
): Promise<TlsListener> {
  const server = new TlsServer(options, await loadModules());
  await server.listen();
  return server;
}

/** What a server is made of. */
interface Modules {
  readonly createServer: typeof createServer;
  readonly netListen: NetServer["listen"];
  readonly crypto: NodeCrypto;
}

/**
 * Not by static imports: one bundle holds manager and worker, and these would
 * cost every worker's start 40 ms of a core.
 */
async function loadModules(): Promise<Modules> {
  const [{ createServer }, { Server }, crypto] = await Promise.all([
    import("node:https"),
    import("node:net"),
    import("node:crypto"),
  ]);
  return { createServer, netListen: Server.prototype.listen, crypto };
}

/**
 * Tries an address without serving there: what a cluster is made for should be
 * known to work before anything of it is on disk.
 *
 * @throws {SwarmdError} as {@linkcode listenTls}, when it cannot listen there
 */
export function assertCanListen(endpoint: Endpoint): void {
  const { host: hostname, port } = endpoint;
  try {
    Deno.listen({ hostname, port }).close();
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw cannotListen(endpoint, cause);
  }
}

/** A TCP connection, and what its handshake shows. */
interface Accepted {
  readonly socket: Socket;
  readonly servedLeaf: string;
}

type ConnectionListener = (this: NetServer, socket: Socket) => void;

class TlsServer implements TlsListener {
  readonly #options: TlsServerOptions;
  readonly #modules: Modules;
  readonly #throttle: LogThrottle;
  readonly #limits: ConnectionLimits<Socket>;
  readonly #server: ReturnType<typeof createServer>;
  readonly #beginTls: ConnectionListener;
  readonly #beginHttp: ConnectionListener;
  /** TCP sockets by remote address and port. */
  readonly #sockets = new Map<string, Accepted>();
  readonly #evicted = new WeakSet<Socket>();
  #endpoint: Endpoint;
  /** Fingerprint of the leaf that new connections are shown. */
  #servedLeaf = "";

  constructor(options: TlsServerOptions, modules: Modules) {
    const { clock, logger, limits = DEFAULT_LIMITS } = options;
    this.#options = options;
    this.#modules = modules;
    this.#endpoint = options.listen;
    this.#throttle = new LogThrottle(logger, clock);
    this.#limits = new ConnectionLimits(clock, limits);
    this.#server = modules.createServer({
      ...this.#contextOf(options.credentials),
      ...httpLimits(options.requestMs),
      requestCert: true,
      rejectUnauthorized: false, // admission decides, with a reason
      ALPNProtocols: [NODE_ALPN, "http/1.1"],
      handshakeTimeout: options.handshakeMs ?? HANDSHAKE_MS,
    });
    // Its own listeners are called only for those who get that far. A second
    // server that does not listen would close after one response.
    this.#beginTls = takeListener(this.#server, "connection");
    this.#beginHttp = takeListener(this.#server, "secureConnection");
    this.#attach();
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  listen(): Promise<void> {
    const { host, port } = this.#options.listen;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once(
        "error",
        (cause) => reject(cannotListen({ host, port }, cause)),
      );
      // https.Server has a listen of its own, which lets the environment
      // variable DENO_SERVE_ADDRESS move the port, or open one without TLS.
      this.#modules.netListen
        .call(server, { host, port, backlog: BACKLOG }, () => {
          const { address, port } = server.address() as AddressInfo;
          this.#endpoint = { host: address, port };
          server.removeAllListeners("error");
          server.on("error", (error) => this.#warn("Cannot accept", { error }));
          resolve();
        });
    });
  }

  replace(credentials: ServerCredentials): void {
    this.#server.setSecureContext(this.#contextOf(credentials));
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const { socket } of this.#sockets.values()) socket.destroy();
    });
  }

  /** What `setSecureContext` replaces; what it is not given, it forgets (T6). */
  #contextOf(credentials: ServerCredentials) {
    const { crypto } = this.#modules;
    this.#servedLeaf = checkServerCredentials(credentials, crypto);
    return {
      cert: credentials.chainPem,
      key: credentials.keyPem,
      ca: credentials.rootsPem,
      minVersion: "TLSv1.2",
    } as const;
  }

  #attach(): void {
    const server = this.#server;
    server.removeAllListeners("tlsClientError");
    server.on("connection", (socket) => this.#connected(socket as Socket));
    server.on("tlsClientError", (error, tls) => this.#failed(tls, error));
    server.on("secureConnection", (tls) => this.#secured(tls));
    server.on("request", (message, response) => {
      const { http: handler = notFound, logger } = this.#options;
      const facts = factsOf(message.socket as TLSSocket);
      void answerHttp(message, response, { handler, logger, facts });
    });
  }

  /** A TCP connection, before any handshake. */
  #connected(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress ?? "");
    const arrival = this.#limits.arrive(socket, address);
    if (!arrival.accepted) {
      socket.destroy();
      return this.#refuse("limited", { address });
    }
    if (arrival.evicted) this.#evict(arrival.evicted);
    const key = keyOf(socket);
    // The runtime fixes here what the handshake will show, not when it does
    this.#sockets.set(key, { socket, servedLeaf: this.#servedLeaf });
    socket.once("close", () => {
      this.#limits.leave(socket);
      this.#sockets.delete(key);
    });
    this.#beginTls.call(this.#server, socket);
  }

  #evict(socket: Socket): void {
    this.#evicted.add(socket);
    this.#refuse("evicted", { address: socket.remoteAddress });
    socket.destroy();
  }

  #failed(tls: TLSSocket, error: Error): void {
    // It stays open otherwise, for as long as the client likes (T5)
    tls.destroy();
    const socket = tcpSocketOf(tls);
    if (socket && this.#evicted.has(socket)) return;
    this.#refuse("failed", { address: socket?.remoteAddress, error });
  }

  #secured(tls: TLSSocket): void {
    if (tls.alpnProtocol !== NODE_ALPN) {
      this.#options.settled?.("http");
      return this.#beginHttp.call(this.#server, tls);
    }
    const facts = factsOf(tls);
    const refused = refusalOf(facts);
    if (refused) {
      tls.destroy();
      return this.#refuse(refused, { address: facts.remote.host });
    }
    this.#accept(tls, facts);
  }

  #accept(tls: TLSSocket, facts: PeerFacts): void {
    const { accept, clock, logger, settled } = this.#options;
    const { socket, servedLeaf } = this.#sockets.get(keyOf(tls)) ?? {};
    const admitted = () => socket && this.#limits.admit(socket);
    const kept = () => socket && this.#limits.keep(socket);
    const connection = new NodeConnection(tls, {
      facts: { ...facts, ...(servedLeaf !== undefined && { servedLeaf }) },
      ...{ clock, admitted, kept },
    });
    settled?.("node");
    try {
      accept(connection);
    } catch (error) {
      logger.error("Cannot take connection", { reason: describeError(error) });
      connection.destroy();
    }
  }

  #refuse(outcome: Refusal, { address, error }: Stranger): void {
    this.#options.settled?.(outcome);
    this.#warn(REFUSALS[outcome], { address, error });
  }

  #warn(message: string, { address, error }: Stranger): void {
    this.#throttle.warn(message, {
      ...(address === undefined ? {} : { address: plainAddress(address) }),
      ...(error === undefined ? {} : { reason: describeError(error) }),
    });
  }
}

type Refusal = Exclude<Outcome, "node" | "http">;

const REFUSALS: Readonly<Record<Refusal, string>> = {
  limited: "Connection refused: too many from its address",
  evicted: "Connection closed: too many that are not admitted",
  failed: "TLS handshake failed",
  resumed: "Connection refused: a resumed TLS session proves nothing",
  "old-tls": "Connection refused: nodes speak TLS 1.3",
};

interface Stranger {
  readonly address?: string | undefined;
  readonly error?: Error | undefined;
}

/** A ticket makes the runtime skip every check of the certificate (T1). */
function refusalOf(facts: PeerFacts): Refusal | undefined {
  if (facts.resumed) return "resumed";
  return facts.tlsVersion === "TLSv1.3" ? undefined : "old-tls";
}

function takeListener(server: NetServer, event: string): ConnectionListener {
  const [listener, ...others] = server.listeners(event);
  if (!listener || others.length > 0) {
    throw new Error(`Cannot serve TLS: unexpected listeners of "${event}"`);
  }
  server.removeAllListeners(event);
  return listener as ConnectionListener;
}

function keyOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

const NO_SUCH_ADDRESS: Unlistenable = {
  code: "usage",
  found: "this machine has no such address",
  hint: "Use 0.0.0.0, or an address that `ip address` shows",
};

/** What the system says of an address, and what that is for the operator. */
const UNLISTENABLE: Readonly<Record<string, Unlistenable>> = {
  EADDRINUSE: {
    code: "too-busy",
    found: "another program listens there",
    hint:
      "Stop that program (`ss -ltnp` shows it), or have the manager made with another --listen-addr",
  },
  EADDRNOTAVAIL: NO_SUCH_ADDRESS,
  // What node:net makes of it in this runtime
  EINVAL: NO_SUCH_ADDRESS,
  EACCES: {
    code: "precondition",
    found: "permission denied",
    hint:
      "Use a port from 1024 on; those below need root or CAP_NET_BIND_SERVICE",
  },
};

interface Unlistenable {
  readonly code: ErrorCode;
  readonly found: string;
  readonly hint?: string;
}

function cannotListen(endpoint: Endpoint, cause: Error): SwarmdError {
  const { code, found, hint }: Unlistenable = UNLISTENABLE[errnoOf(cause)] ??
    { code: "usage", found: cause.message };
  return new SwarmdError(
    code,
    `Cannot listen on ${formatEndpoint(endpoint)}: ${found}`,
    { verdict: "stop", cause, ...(hint !== undefined && { hint }) },
  );
}

function notFound() {
  return Promise.resolve({ status: 404 });
}
