import type { Bytes } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { Clock } from "../../lib/base/time.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import type {
  ClientCredentials,
  Connection,
  Dialer,
  Endpoint,
} from "../../lib/rpc/connection.ts";
import { formatEndpoint } from "../../lib/rpc/endpoint.ts";
import type { WireMessage } from "../../lib/rpc/message.ts";
import { type Pipe, pipe } from "../fakes/pipe.ts";
import { verifyServer } from "../sim/tls.ts";

/** What listens at an address. */
export interface Server {
  /** What it presents: leaf first. */
  chain(): readonly Bytes[];
  accept(connection: Connection): void;
}

/** One attempt to connect, and the connection that it made. */
export interface Dialled {
  readonly at: number;
  readonly endpoint: string;
  readonly verified: boolean;
  /** What the client presented. */
  readonly presented: readonly Bytes[];
  pipe?: Pipe;
}

interface Dial {
  readonly endpoint: Endpoint;
  readonly credentials?: ClientCredentials;
  readonly signal: AbortSignal;
}

/** A network whose connections are made at once, and checked as TLS does. */
export class Net implements Dialer {
  readonly servers = new Map<string, Server>();
  readonly dialled: Dialled[] = [];
  /** While set, nothing is reached. */
  down = false;
  /** While set, no attempt to connect comes to an end. */
  stalled = false;
  readonly #clock: Clock;
  readonly #crypto: Crypto;

  constructor(parts: { readonly clock: Clock; readonly crypto: Crypto }) {
    this.#clock = parts.clock;
    this.#crypto = parts.crypto;
  }

  dial(
    endpoint: Endpoint,
    credentials: ClientCredentials,
    signal: AbortSignal,
  ): Promise<Connection> {
    return this.#dial({ endpoint, credentials, signal });
  }

  dialUnverified(
    endpoint: Endpoint,
    signal: AbortSignal,
  ): Promise<Connection> {
    return this.#dial({ endpoint, signal });
  }

  /** Connections that were made, oldest first. */
  get pipes(): readonly Pipe[] {
    return this.dialled.flatMap(({ pipe }) => pipe ? [pipe] : []);
  }

  /** Everything that clients wrote on connections of a kind. */
  written(kind: { readonly verified: boolean }): readonly WireMessage[] {
    return this.dialled.filter(({ verified }) => verified === kind.verified)
      .flatMap(({ pipe }) => pipe?.near.sent ?? []);
  }

  async #dial({ endpoint, credentials, signal }: Dial): Promise<Connection> {
    signal.throwIfAborted();
    const dialled: Dialled = {
      at: this.#clock.monotonic(),
      endpoint: formatEndpoint(endpoint),
      verified: credentials !== undefined,
      presented: presentedBy(credentials),
    };
    this.dialled.push(dialled);
    if (this.stalled) await aborted(signal);
    const server = this.servers.get(dialled.endpoint);
    if (this.down || !server) throw unreachable(dialled.endpoint);
    const presented = server.chain();
    if (credentials) {
      const { rootsPem } = credentials;
      const at = this.#clock.now();
      const facts = { presented, rootsPem, at, endpoint };
      await verifyServer(this.#crypto, facts);
    }
    signal.throwIfAborted();
    return this.#open(dialled, { server, presented, endpoint });
  }

  #open(
    dialled: Dialled,
    { server, presented, endpoint }: {
      readonly server: Server;
      readonly presented: readonly Bytes[];
      readonly endpoint: Endpoint;
    },
  ): Connection {
    const made = pipe({
      clock: this.#clock,
      near: { remote: endpoint, tlsVersion: "", presented },
      far: { presented: dialled.presented },
    });
    dialled.pipe = made;
    server.accept(made.far);
    return made.near;
  }
}

function presentedBy(credentials?: ClientCredentials): readonly Bytes[] {
  const { identity } = credentials ?? {};
  return identity ? decodePem(identity.chainPem, "CERTIFICATE") : [];
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

function unreachable(endpoint: string): SwarmdError {
  return new SwarmdError(
    "unreachable",
    `Cannot connect to ${endpoint}: connection refused`,
  );
}
