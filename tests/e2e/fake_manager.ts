import { type RawMessage, RawPeer } from "./raw_peer.ts";
import type { ClientPair } from "./raw_tls.ts";

/** What a fake answers: the message's own members, bytes, or nothing. */
export type FakeAnswer = RawMessage | Uint8Array | undefined;

/** What a client sends. */
export interface RawRequest extends RawMessage {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params: RawMessage;
}

/** How a fake answers a request; the connection is there for more. */
export type FakeMind = (
  request: RawRequest,
  peer: RawPeer,
) => FakeAnswer | Promise<FakeAnswer>;

/** A server that poses as a manager, and keeps every byte it is sent. */
export class FakeManager implements AsyncDisposable {
  readonly #listener: Deno.TlsListener;
  readonly #mind: FakeMind;
  readonly #peers = new Set<RawPeer>();
  readonly #serving: Promise<void>;
  readonly #talks = new Set<Promise<void>>();
  readonly #came: { count: number; wake: () => void }[] = [];
  #connections = 0;
  #refusals: string[] = [];
  #requests: RawMessage[] = [];
  #received = "";

  constructor(pair: ClientPair, mind: FakeMind) {
    this.#listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      ...pair,
      alpnProtocols: ["swarmd/1"],
    });
    this.#mind = mind;
    this.#serving = this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Everything that clients said to it inside TLS, as text. */
  get received(): string {
    return this.#received;
  }

  /** Every request that it read. */
  get requests(): readonly RawMessage[] {
    return this.#requests;
  }

  /** Why clients broke off the handshake. */
  get refusals(): readonly string[] {
    return this.#refusals;
  }

  /** Waits until so many connections were made, broken off or not. */
  connections(count: number): Promise<void> {
    if (this.#connections >= count) return Promise.resolve();
    return new Promise((wake) => this.#came.push({ count, wake }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#serving;
    for (const peer of this.#peers) await peer[Symbol.asyncDispose]();
    await Promise.all(this.#talks);
  }

  async #serve(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        const talk = this.#talk(connection).finally(() => {
          this.#talks.delete(talk);
          this.#connections++;
          for (const { count, wake } of this.#came) {
            if (this.#connections >= count) wake();
          }
        });
        this.#talks.add(talk);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #talk(connection: Deno.TlsConn): Promise<void> {
    try {
      await connection.handshake();
    } catch (error) {
      this.#refusals.push(String(error));
      connection.close();
      return;
    }
    const { readable, writable } = connection;
    const peer = new RawPeer({
      readable,
      writable,
      close: () => Promise.resolve(close(connection)),
    });
    this.#peers.add(peer);
    for (let message; (message = await peer.next());) {
      this.#requests.push(message);
      const request = message as RawRequest;
      await reply(peer, request, await this.#mind(request, peer));
    }
    this.#received += peer.received;
    this.#peers.delete(peer);
    await peer[Symbol.asyncDispose]();
  }
}

/** Says an answer, whatever it is. */
async function reply(
  peer: RawPeer,
  { id }: RawRequest,
  answer: FakeAnswer,
): Promise<void> {
  if (answer instanceof Uint8Array) await peer.sendBytes(answer);
  else if (answer) await peer.send({ id, ...answer });
}

/** Says the last thing that it will say on a connection. */
export async function lastWord(
  peer: RawPeer,
  request: RawRequest,
  answer: FakeAnswer,
): Promise<undefined> {
  await reply(peer, request, answer);
  await peer.finish();
}

function close(connection: Deno.TlsConn): void {
  try {
    connection.close();
  } catch (error) {
    // The other side was first.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** What a manager greets with. */
export function greeting(more: RawMessage = {}): RawMessage {
  return {
    protocol: 1,
    version: "0.1.0",
    features: [],
    now: Date.now(),
    cluster: "0".repeat(25),
    manager: "1".repeat(25),
    heartbeatMs: 5_000,
    managers: [],
    ...more,
  };
}
