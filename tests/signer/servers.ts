/** A port of loopback that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** What a made-up server does with one connection, once the request is read. */
export type Answering = (connection: Deno.TcpConn) => Promise<void>;

/** A made-up HTTP server on loopback that answers anything at all. */
export class RawServer implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #done: Promise<void>;
  readonly #answering: Answering;
  /** How many requests came. */
  requests = 0;

  constructor(answering: Answering) {
    this.#answering = answering;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#done = this.#serve();
  }

  /** One that sends so many bytes and closes. */
  static sending(text: string | Uint8Array): RawServer {
    const bytes = typeof text === "string"
      ? new TextEncoder().encode(text)
      : text;
    return new RawServer(async (connection) => {
      for (let at = 0; at < bytes.length;) {
        at += await connection.write(bytes.subarray(at));
      }
    });
  }

  /** One that takes requests and says nothing. */
  static hanging(): RawServer {
    return new RawServer(async (connection) => {
      await connection.read(new Uint8Array(1));
    });
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async #serve(): Promise<void> {
    const all: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      this.#open.add(connection);
      all.push(this.#one(connection));
    }
    await Promise.all(all);
  }

  async #one(connection: Deno.TcpConn): Promise<void> {
    try {
      await connection.read(new Uint8Array(65_536));
      this.requests++;
      await this.#answering(connection);
    } catch {
      // The client went away, or the test is over
    }
    if (this.#open.delete(connection)) connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) connection.close();
    this.#open.clear();
    await this.#done;
  }
}

/** A whole HTTP answer. */
export function answerOf(status: number, body: string): string {
  const length = new TextEncoder().encode(body).length;
  return `HTTP/1.1 ${status} X\r\nContent-Length: ${length}\r\n` +
    `Connection: close\r\n\r\n${body}`;
}
