import { type Bytes, fromBase64, toBase64 } from "../../lib/base/bytes.ts";
import { newId } from "../../lib/base/random.ts";
import type { Clock } from "../../lib/base/time.ts";
import { FramedConnection } from "../../lib/net/framed_connection.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { bundleDigest } from "../../lib/pki/trust_bundle.ts";
import type { Connection } from "../../lib/rpc/connection.ts";
import { encodeFrame, FrameDecoder } from "../../lib/rpc/frame.ts";
import {
  decodeMessage,
  encodeMessage,
  type WireMessage,
} from "../../lib/rpc/message.ts";
import type { BundleParams, IssuedResult } from "../../lib/rpc/schemas.ts";
import type { StreamRandom } from "../fakes/stream_random.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** What light nodes share. */
export interface LightParts {
  readonly clock: VirtualClock;
  /** Of the manager's process. */
  readonly managerClock: Clock;
  readonly crypto: Crypto;
  readonly random: StreamRandom;
  readonly accept: (connection: Connection) => void;
  /** A node begins or ends something that others should not all do at once. */
  readonly busy: (what: "renewal" | "connection", by: 1 | -1) => void;
}

/** What a light node is, and what it trusts. */
export interface LightIdentity {
  readonly id: string;
  /** As it presents it: leaf first. */
  readonly chain: readonly Bytes[];
  /** Digest of its bundle. */
  readonly bundle: string;
}

/**
 * As much of a worker as a manager can tell from one: it says hello, holds a
 * session, renews when asked, adopts what it is sent, and comes back with it.
 * It verifies nothing and has no disk; thousands fit in a test.
 */
export class LightNode {
  identity: LightIdentity;
  readonly latencyMs: number;
  /** Connections that it made. */
  connections = 0;
  readonly #parts: LightParts;
  readonly #session: string;
  readonly #instance: string;
  #line: Line | undefined;
  #written = 0;
  #seen = 0;
  #renewing = false;
  /** A chain that it has not shown yet. */
  #renewed: LightIdentity["chain"] | undefined;
  #connecting = false;
  /** What it has now is not what it last connected with. */
  #changed = false;

  constructor(parts: LightParts, identity: LightIdentity) {
    this.#parts = parts;
    this.identity = identity;
    this.latencyMs = parts.random.between(1, 20);
    this.#session = newId(parts.random);
    this.#instance = newId(parts.random);
  }

  /** Connects with what it has now; the session moves there. */
  connect(): void {
    this.#changed = true;
    if (this.#connecting) return;
    this.#changed = false;
    this.#connecting = true;
    const { managerClock: clock, accept, busy } = this.#parts;
    const { identity: { chain, bundle } } = this;
    const line = new Line({
      clock,
      presented: chain,
      arrives: (message) => this.#later(() => this.#read(line, message)),
    });
    busy("connection", 1);
    this.connections++;
    this.#later(() => {
      accept(line);
      this.#came(chain);
      this.#write(line, {
        id: 0,
        method: "hello",
        params: {
          protocols: [1],
          version: "1",
          features: [],
          bundle,
          session: {
            id: this.#session,
            instance: this.#instance,
            lastSeen: this.#seen,
            resume: this.#line !== undefined,
          },
        },
      });
    });
  }

  #later(what: () => void): void {
    this.#parts.clock.after(this.latencyMs, what);
  }

  #write(line: Line, message: WireMessage): void {
    this.#later(() => line.take(encodeMessage(message)));
  }

  #read(line: Line, message: WireMessage): void {
    const { n } = message;
    if (n !== undefined) {
      // What is repeated after a move was read before it.
      if (line !== this.#line || n <= this.#seen) return;
      this.#seen = n;
    }
    if (!("method" in message)) return this.#answered(line, message);
    const { method, params } = message;
    if (line !== this.#line) return;
    if (method === "move") return this.connect();
    if (method === "ca.bundle") void this.#adopt(params as BundleParams);
    if (method === "node.renew-now") void this.#renew();
  }

  #answered(line: Line, message: WireMessage): void {
    if ("error" in message) throw new Error(Deno.inspect(message.error));
    if (!("result" in message)) return;
    if (message.id !== 0) return this.#issued(message.result as IssuedResult);
    const { busy } = this.#parts;
    busy("connection", -1);
    this.#line = line;
    this.#connecting = false;
    if (this.#changed) this.connect();
  }

  /** The renewal ends where the manager sees what it has issued. */
  #came(chain: LightIdentity["chain"]): void {
    if (!this.#renewed || chain !== this.#renewed) return;
    this.#renewed = undefined;
    this.#parts.busy("renewal", -1);
  }

  async #adopt(offer: BundleParams): Promise<void> {
    const bundle = await digestOf(this.#parts.crypto, offer);
    this.identity = { ...this.identity, bundle };
    this.connect();
  }

  async #renew(): Promise<void> {
    const { crypto, busy } = this.#parts;
    if (this.#renewing || !this.#line) return;
    this.#renewing = true;
    busy("renewal", 1);
    const key = await crypto.generateKey();
    const csr = toBase64(await createCsr(crypto, key));
    const n = ++this.#written;
    this.#write(this.#line, {
      ...{ id: n, method: "node.renew", params: { csr }, n },
    });
  }

  #issued({ chain }: IssuedResult): void {
    this.#renewing = false;
    this.#renewed = chain.map(fromBase64);
    this.identity = { ...this.identity, chain: this.#renewed };
    this.connect();
  }
}

/** The same offer goes to everybody: it is read once. */
const digests = new Map<string, Promise<string>>();

function digestOf(crypto: Crypto, { roots }: BundleParams): Promise<string> {
  const certificates = roots.map(({ certificate }) => certificate);
  return digests.getOrInsertComputed(certificates.join(), async () => {
    const read = certificates.map((each) =>
      readCertificate(crypto, fromBase64(each))
    );
    return await bundleDigest(crypto, { roots: await Promise.all(read) });
  });
}

/** The manager's end of a connection; the node has none of its own. */
class Line extends FramedConnection {
  readonly queuedBytes = 0;
  readonly #decoder = new FrameDecoder(1 << 20);
  readonly #arrives: (message: WireMessage) => void;

  constructor({ clock, presented, arrives }: {
    readonly clock: Clock;
    readonly presented: readonly Bytes[];
    readonly arrives: (message: WireMessage) => void;
  }) {
    const remote = { host: "10.0.0.9", port: 40_000 };
    const facts = { remote, tlsVersion: "TLSv1.3", resumed: false, presented };
    super({ clock, facts });
    this.#arrives = arrives;
  }

  /** What the node wrote. */
  take(payload: Bytes): void {
    this.received(encodeFrame(payload));
  }

  protected transmit(frame: Bytes): void {
    for (const payload of this.#decoder.push(frame)) {
      this.#arrives(decodeMessage(payload));
    }
  }

  protected finish(): void {
    this.ended();
  }

  protected abort(): void {}
}
