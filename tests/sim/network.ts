import { type Bytes, utf8 } from "../../lib/base/bytes.ts";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import { SECOND } from "../../lib/base/time.ts";
import type { ManagerListener } from "../../lib/manager/ports.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import type {
  ClientCredentials,
  Connection,
  Dialer,
  Endpoint,
  PeerFacts,
  ServerCredentials,
} from "../../lib/rpc/connection.ts";
import { formatEndpoint } from "../../lib/rpc/endpoint.ts";
import type { StreamRandom } from "../fakes/stream_random.ts";
import type { EventLog } from "./event_log.ts";
import { Link, type NetProcess } from "./link.ts";
import { type Host, oneWay } from "./pipe.ts";
import { SimTls } from "./tls.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** For TCP and TLS together, in milliseconds, as the real dialer has it. */
const DIAL_MS = 10 * SECOND;

/** What the network works with. */
export interface NetworkParts {
  readonly clock: VirtualClock;
  readonly crypto: Crypto;
  readonly log: EventLog;
  readonly random: StreamRandom;
}

/** What listens on a port. */
export interface ListenOptions {
  readonly process: NetProcess;
  readonly port: number;
  readonly credentials: ServerCredentials;
  readonly accept: (connection: Connection) => void;
}

/** One attempt to connect. */
interface Dial {
  readonly process: NetProcess;
  readonly endpoint: Endpoint;
  /** Absent: nothing is verified, and nothing presented. */
  readonly credentials: ClientCredentials | undefined;
  readonly signal: AbortSignal;
}

/** Hosts, and the connections between their processes. */
export class Network {
  readonly #parts: NetworkParts;
  readonly #tls: SimTls;
  readonly #hosts = new Map<string, Host>();
  readonly #listeners = new Map<string, SimListener>();
  readonly #links = new Map<Host, Set<Link>>();
  /** Looks at every chunk that goes to a peer that was not verified. */
  unverified: (chunk: Bytes) => void = () => {};

  constructor(parts: NetworkParts) {
    this.#parts = parts;
    this.#tls = new SimTls(parts.crypto);
  }

  addHost(host: Pick<Host, "name" | "ip" | "random" | "latencyMs">): Host {
    const added: Host = {
      ...host,
      reachable: true,
      refusing: false,
      loseAnswers: 0,
      lostAnswer: () => {},
    };
    this.#hosts.set(host.ip, added);
    this.#links.set(added, new Set());
    return added;
  }

  /** Opens or closes the way to a host. */
  setReachable(host: Host, reachable: boolean): void {
    host.reachable = reachable;
    if (reachable) { for (const link of this.linksOf(host)) link.resume(); }
  }

  linksOf(host: Host): readonly Link[] {
    return [...this.#links.get(host) ?? []];
  }

  /** A process was killed, or (`silent`) its machine lost power. */
  killed(process: NetProcess, options: { readonly silent: boolean }): void {
    for (const link of [...process.links]) link.killed(process, options);
    for (const [key, listener] of this.#listeners) {
      if (listener.process === process) this.#listeners.delete(key);
    }
  }

  listen(options: ListenOptions): ManagerListener {
    const { process: { host: { ip: host } }, port } = options;
    const key = formatEndpoint({ host, port });
    const listener: SimListener = new SimListener(options, () => {
      if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
    });
    this.#listeners.set(key, listener);
    return listener;
  }

  /** What a process that listens shows to who connects. */
  served(process: NetProcess): ServerCredentials | undefined {
    for (const listener of this.#listeners.values()) {
      if (listener.process === process) return listener.credentials;
    }
    return undefined;
  }

  dialer(process: NetProcess): Dialer {
    return {
      dial: (endpoint, credentials, signal) =>
        this.#dial({ process, endpoint, credentials, signal }),
      dialUnverified: (endpoint, signal) =>
        this.#dial({ process, endpoint, signal, credentials: undefined }),
    };
  }

  #dial(dial: Dial): Promise<Connection> {
    const { process, endpoint, signal } = dial;
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    if (signal.aborted) reject(signal.reason);
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const cancel = process.clock.schedule(DIAL_MS, () => {
      const found = `no answer in ${DIAL_MS} ms`;
      reject(failed(endpoint, { code: "timed-out", found }));
    });
    const settle = () => {
      cancel();
      signal.removeEventListener("abort", abort);
    };
    promise.then(settle, settle);
    this.#connect(dial, { resolve, reject });
    return promise;
  }

  /** TCP's three packets, of which the last brings the hello of TLS. */
  #connect(
    dial: Dial,
    { resolve, reject }: {
      readonly resolve: (connection: Connection) => void;
      readonly reject: (error: unknown) => void;
    },
  ): void {
    const { process: { host }, endpoint } = dial;
    const server = this.#hosts.get(endpoint.host);
    const code = "unreachable";
    if (!server) return reject(failed(endpoint, { code, found: "no route" }));
    this.#packet({ from: host, to: server, trips: 3 }, () => {
      const listener = this.#listeners.get(formatEndpoint(endpoint));
      const refused = !listener || server.refusing;
      const chain = refused ? undefined : listener.credentials;
      this.#packet({ from: server, to: host, trips: 1 }, () => {
        if (!chain || !listener) {
          reject(failed(endpoint, { code, found: "connection refused" }));
        } else {
          this.#handshake(dial, { listener, server, chain })
            .then(resolve, reject);
        }
      });
    });
  }

  async #handshake(
    dial: Dial,
    { listener, server, chain }: {
      readonly listener: SimListener;
      readonly server: Host;
      readonly chain: ServerCredentials;
    },
  ): Promise<Connection> {
    const { process, endpoint, credentials, signal } = dial;
    if (credentials) {
      const { chainPem } = chain;
      const { rootsPem } = credentials;
      const at = process.clock.now();
      const server = { chainPem, rootsPem, at, endpoint };
      await this.#tls.verifyServer(server);
    }
    signal.throwIfAborted();
    const link = this.#newLink(dial, { listener, server });
    const [leaf] = decodePem(chain.chainPem, "CERTIFICATE");
    const facts = factsOf(endpoint, { presented: leaf ? [leaf] : [] });
    return link.open("client", { ...facts, tlsVersion: "" }, process);
  }

  #newLink(
    { process: client, credentials }: Dial,
    { listener, server }: {
      readonly listener: SimListener;
      readonly server: Host;
    },
  ): Link {
    const { clock, log, random } = this.#parts;
    const remote = {
      host: client.host.ip,
      port: 1024 + random.integer(60_000),
    };
    const ends = [this.#links.get(client.host), this.#links.get(server)];
    const link: Link = new Link({
      clock,
      client,
      serverHost: server,
      wrote: credentials ? () => {} : (chunk) => this.unverified(chunk),
      passes: (chunk) => passes(client.host, chunk),
      log: (what) => log.trace(client.host.name, what),
      opened: () => void this.#accept(listener, { link, remote, credentials }),
      ended: () => ends.forEach((links) => links?.delete(link)),
    });
    for (const links of ends) links?.add(link);
    return link;
  }

  /** The end of the handshake at the server: possession of the key is proved. */
  async #accept(
    listener: SimListener,
    { link, remote, credentials }: {
      readonly link: Link;
      readonly remote: Endpoint;
      readonly credentials: ClientCredentials | undefined;
    },
  ): Promise<void> {
    const { identity } = credentials ?? {};
    const presented = identity
      ? decodePem(identity.chainPem, "CERTIFICATE")
      : [];
    const proved = !identity ||
      await this.#tls.holdsKey(identity);
    if (!proved || !listener.isOpen) return link.refuse();
    const facts = factsOf(remote, { presented });
    listener.accept(link.open("server", facts, listener.process));
  }

  /** A packet by itself: after its time, or never. */
  #packet(
    way: { readonly from: Host; readonly to: Host; readonly trips: number },
    arrived: () => void,
  ): void {
    const { from, to, trips } = way;
    this.#parts.clock.after(trips * oneWay(from, to), () => {
      // No way to itself is ever closed.
      if (from === to || (from.reachable && to.reachable)) arrived();
    });
  }
}

class SimListener implements ManagerListener {
  readonly endpoint: Endpoint;
  readonly process: NetProcess;
  readonly accept: (connection: Connection) => void;
  readonly #closed: () => void;
  credentials: ServerCredentials;
  #open = true;

  constructor(
    { process, port, credentials, accept }: ListenOptions,
    closed: () => void,
  ) {
    this.process = process;
    this.credentials = credentials;
    this.accept = accept;
    this.endpoint = { host: process.host.ip, port };
    this.#closed = closed;
  }

  get isOpen(): boolean {
    return this.#open && this.process.alive;
  }

  replace(credentials: ServerCredentials): void {
    this.credentials = credentials;
  }

  close(): Promise<void> {
    this.#open = false;
    this.#closed();
    for (const link of [...this.process.links]) link.destroy("server");
    return Promise.resolve();
  }
}

const ANSWER = utf8('"chain"');

/** Whether a chunk may arrive: an answer with a certificate may be one to lose. */
function passes(host: Host, chunk: Bytes): boolean {
  if (host.loseAnswers === 0 || !holds(chunk, ANSWER)) return true;
  host.loseAnswers--;
  host.lostAnswer();
  return false;
}

/** Whether bytes stand somewhere in others. */
export function holds(chunk: Bytes, wanted: Bytes): boolean {
  for (let at = chunk.indexOf(wanted[0] ?? 0); at >= 0;) {
    if (wanted.every((byte, i) => chunk[at + i] === byte)) return true;
    at = chunk.indexOf(wanted[0] ?? 0, at + 1);
  }
  return false;
}

function factsOf(
  remote: Endpoint,
  { presented }: { readonly presented: readonly Bytes[] },
): PeerFacts {
  return { remote, tlsVersion: "TLSv1.3", resumed: false, presented };
}

function failed(
  endpoint: Endpoint,
  { code, found }: { readonly code: ErrorCode; readonly found: string },
): SwarmdError {
  const where = formatEndpoint(endpoint);
  return new SwarmdError(code, `Cannot connect to ${where}: ${found}`);
}
