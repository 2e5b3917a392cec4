/** A connection through a relay. */
interface Line {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
}

/** How a relay is made. */
export interface RelayOptions {
  /** How long what a server says is on its way, in milliseconds. */
  readonly answerDelayMs?: number;
}

/**
 * A TCP relay on loopback: an address that stays while what is behind it, or
 * whether its bytes arrive, is changed by a test.
 */
export class Relay implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #lines = new Set<Line>();
  readonly #pumps = new Set<Promise<void>>();
  readonly #serving: Promise<void>;
  readonly #answerDelayMs: number;
  #target: number;
  #accepted = 0;

  /** @param target port on loopback */
  constructor(target: number, { answerDelayMs = 0 }: RelayOptions = {}) {
    this.#target = target;
    this.#answerDelayMs = answerDelayMs;
    this.#serving = this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** `host:port`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Connections that came so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Where new connections go from now on. */
  turnTo(target: number): void {
    this.#target = target;
  }

  /** Cuts what is open. */
  cut(): void {
    for (const line of this.#lines) close(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#serving;
    await Promise.all(this.#pumps);
  }

  async #serve(): Promise<void> {
    try {
      for await (const client of this.#listener) {
        this.#accepted++;
        this.#track(this.#relay(client));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  #track(pump: Promise<void>): void {
    this.#pumps.add(pump);
    pump.finally(() => this.#pumps.delete(pump));
  }

  async #relay(client: Deno.TcpConn): Promise<void> {
    let server: Deno.TcpConn;
    try {
      const [hostname, port] = ["127.0.0.1", this.#target];
      server = await Deno.connect({ hostname, port });
    } catch {
      // Nobody is there: to the client it looks the same.
      return client.close();
    }
    const line = { client, server };
    this.#lines.add(line);
    await Promise.all([
      this.#pump(client, server),
      this.#pump(server, client, { delayMs: this.#answerDelayMs }),
    ]);
    close(line);
    this.#lines.delete(line);
  }

  async #pump(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    { delayMs = 0 }: { readonly delayMs?: number } = {},
  ): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let n; (n = await from.read(buffer)) !== null;) {
        if (delayMs > 0) await delay(delayMs);
        for (let at = 0; at < n;) at += await to.write(buffer.subarray(at, n));
      }
      await to.closeWrite();
    } catch {
      // Cut: by a test, or by one of the two.
      close({ client: from, server: to });
    }
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function close(line: Line): void {
  for (const side of [line.client, line.server]) {
    try {
      side.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}
