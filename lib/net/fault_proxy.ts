import type { SeededRandom } from "../base/seeded_random.ts";
import type { Endpoint } from "../rpc/connection.ts";

/** What a proxy did to the connections that went through it. */
export interface FaultCounts {
  cuts: number;
  stalls: number;
  delays: number;
  halfCloses: number;
}

/** How a fault proxy is made. */
export interface FaultProxyOptions {
  /** Where connections go. */
  readonly target: () => Endpoint;
  /** Decides every fault. */
  readonly random: SeededRandom;
}

/** Longest time for which bytes are held back, in milliseconds. */
const MAX_STALL_MS = 2_500;
/** Longest delay of one piece, in milliseconds. */
const MAX_DELAY_MS = 150;

interface Line {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
  /** Resolves when bytes may flow; replaced while the line is stalled. */
  gate: Promise<void>;
  delayMs: number;
}

/**
 * A TCP proxy on loopback that cuts, stalls, delays and half-closes what goes
 * through it, one fault at each call of {@linkcode FaultProxy.fault}.
 */
export class FaultProxy {
  readonly counts: FaultCounts = {
    cuts: 0,
    stalls: 0,
    delays: 0,
    halfCloses: 0,
  };
  readonly #options: FaultProxyOptions;
  readonly #listener: Deno.TcpListener;
  readonly #lines = new Set<Line>();
  /** What ends each wait that is under way. */
  readonly #waits = new Set<() => void>();
  readonly #serving: Promise<void>;

  constructor(options: FaultProxyOptions) {
    this.#options = options;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#serving = this.#serve();
  }

  get endpoint(): Endpoint {
    const { hostname: host, port } = this.#listener.addr as Deno.NetAddr;
    return { host, port };
  }

  /** Does one thing to one connection: seven times out of ten, a cut. */
  fault(): void {
    const { random } = this.#options;
    const line = [...this.#lines][random.integer(this.#lines.size)];
    const kind = random.integer(10);
    if (!line) return;
    if (kind < 7) this.#cut(line);
    else if (kind === 7) this.#stall(line);
    else if (kind === 8) this.#delay(line);
    else this.#halfClose(line);
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const end of this.#waits) end();
    for (const line of this.#lines) drop(line);
    await this.#serving;
  }

  #cut(line: Line): void {
    this.counts.cuts++;
    // Its pumps may be held back for a while, and one line is cut once.
    this.#lines.delete(line);
    drop(line);
  }

  #stall(line: Line): void {
    this.counts.stalls++;
    const ms = this.#options.random.uniform() * MAX_STALL_MS;
    line.gate = line.gate.then(() => this.#wait(ms));
  }

  #delay(line: Line): void {
    this.counts.delays++;
    line.delayMs = this.#options.random.uniform() * MAX_DELAY_MS;
  }

  #halfClose(line: Line): void {
    this.counts.halfCloses++;
    const side = this.#options.random.integer(2) ? line.client : line.server;
    side.closeWrite().catch(ignoreClosed);
  }

  #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = () => {
      clearTimeout(timer);
      this.#waits.delete(end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    this.#waits.add(end);
    return promise;
  }

  async #serve(): Promise<void> {
    const open: Promise<void>[] = [];
    for await (const client of this.#listener) open.push(this.#carry(client));
    await Promise.all(open);
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    const { host: hostname, port } = this.#options.target();
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname, port });
    } catch {
      // Nobody listens: the client learns it as it would without a proxy.
      return client.close();
    }
    const line = { client, server, gate: Promise.resolve(), delayMs: 0 };
    this.#lines.add(line);
    await Promise.all([
      this.#pump(line, client, server),
      this.#pump(line, server, client),
    ]);
    this.#lines.delete(line);
    drop(line);
  }

  async #pump(
    line: Line,
    from: Deno.TcpConn,
    to: Deno.TcpConn,
  ): Promise<void> {
    const buffer = new Uint8Array(16 * 1024);
    try {
      for (;;) {
        const read = await from.read(buffer);
        if (read === null) break;
        await line.gate;
        if (line.delayMs > 0) await this.#wait(line.delayMs);
        await writeAll(to, buffer.subarray(0, read));
      }
      await to.closeWrite();
    } catch (error) {
      ignoreClosed(error);
      drop(line);
    }
  }
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

function drop({ client, server }: Line): void {
  for (const side of [client, server]) {
    try {
      side.close();
    } catch (error) {
      ignoreClosed(error);
    }
  }
}

/** A proxy that breaks connections meets broken connections. */
function ignoreClosed(error: unknown): void {
  const { errors } = Deno;
  const expected = error instanceof errors.BadResource ||
    error instanceof errors.Interrupted ||
    error instanceof errors.ConnectionReset ||
    error instanceof errors.ConnectionAborted ||
    error instanceof errors.BrokenPipe ||
    error instanceof errors.NotConnected ||
    error instanceof errors.UnexpectedEof;
  if (!expected) throw error;
}
