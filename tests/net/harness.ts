import { silentLogger } from "../../lib/base/logger.ts";
import type { LogFields, Logger } from "../../lib/base/logger.ts";
import type {
  ClientCredentials,
  Connection,
  ServerCredentials,
} from "../../lib/rpc/connection.ts";
import { systemClock } from "../../lib/net/system.ts";
import {
  assertNamesAreEnforced,
  makeTrustStorePrivate,
} from "../../lib/net/private_trust.ts";
import { tlsDialer } from "../../lib/net/tls_client.ts";
import {
  listenTls,
  type Outcome,
  type TlsListener,
  type TlsServerOptions,
} from "../../lib/net/tls_server.ts";
import type { ConnectionPair } from "../contracts/connection_contract.ts";

makeTrustStorePrivate();
// Before any test, since it would go on beyond one whose dial fails at once
await assertNamesAreEnforced();

export const dialer = tlsDialer({
  clock: systemClock,
  namesAreEnforced: () => Promise.resolve(),
});
export const never = new AbortController().signal;

/** A logger that keeps its lines. */
export class LogBook implements Logger {
  readonly lines: { message: string; fields: LogFields | undefined }[] = [];
  debug = (message: string, fields?: LogFields) => this.#add(message, fields);
  info = (message: string, fields?: LogFields) => this.#add(message, fields);
  warn = (message: string, fields?: LogFields) => this.#add(message, fields);
  error = (message: string, fields?: LogFields) => this.#add(message, fields);

  #add(message: string, fields?: LogFields): void {
    this.lines.push({ message, fields });
  }

  get text(): string {
    return JSON.stringify(this.lines);
  }
}

/** A listener on loopback whose connections can be awaited. */
export class TestServer {
  readonly log = new LogBook();
  readonly outcomes: Outcome[] = [];
  readonly #accepted: Connection[] = [];
  readonly #waiting: ((connection: Connection) => void)[] = [];
  #listener: TlsListener | undefined;

  static async start(
    credentials: ServerCredentials,
    options: Partial<TlsServerOptions> = {},
  ): Promise<TestServer> {
    const server = new TestServer();
    server.#listener = await listenTls({
      listen: { host: "127.0.0.1", port: 0 },
      credentials,
      logger: server.log,
      clock: systemClock,
      accept: (connection) => server.#accept(connection),
      settled: (outcome) => server.#settle(outcome),
      ...options,
    });
    return server;
  }

  #settledWaiters: (() => void)[] = [];

  #settle(outcome: Outcome): void {
    this.outcomes.push(outcome);
    for (const wake of this.#settledWaiters.splice(0)) wake();
  }

  #accept(connection: Connection): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(connection);
    else this.#accepted.push(connection);
  }

  get listener(): TlsListener {
    if (!this.#listener) throw new Error("not started");
    return this.#listener;
  }

  get endpoint() {
    return this.listener.endpoint;
  }

  get port(): number {
    return this.endpoint.port;
  }

  /** The next connection of a node. */
  accepted(): Promise<Connection> {
    const ready = this.#accepted.shift();
    if (ready) return Promise.resolve(ready);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Connections of nodes that nobody has taken. */
  get untaken(): number {
    return this.#accepted.length;
  }

  /** Waits until so many connections have ended in this way. */
  async settled(outcome: Outcome, count = 1): Promise<void> {
    while (this.outcomes.filter((each) => each === outcome).length < count) {
      await new Promise<void>((resolve) => this.#settledWaiters.push(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close();
  }
}

/** Both ends of a verified connection. */
export async function openPair(
  credentials: { server: ServerCredentials; client: ClientCredentials },
): Promise<{ client: Connection; server: Connection; listening: TestServer }> {
  const listening = await TestServer.start(credentials.server);
  const client = await dialer
    .dial(listening.endpoint, credentials.client, never);
  const server = await listening.accepted();
  return { client, server, listening };
}

export { type ConnectionPair, silentLogger };
