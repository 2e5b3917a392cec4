import { type RawStream } from "./raw_peer.ts";

/** What a client presents, as PEM texts or as names of files. */
export interface ClientPair {
  readonly cert: string;
  readonly key: string;
}

/** How the runtime's own client dials. */
export interface DenoDial {
  /** 127.0.0.1 where left out. */
  readonly hostname?: string;
  readonly port: number;
  readonly ca: string;
  readonly pair?: ClientPair;
  readonly alpn?: string;
}

/** A verified connection of the runtime's own client. */
export async function dialDeno(options: DenoDial): Promise<RawStream> {
  const { hostname = "127.0.0.1", port, ca, pair, alpn = "swarmd/1" } = options;
  const tls = await Deno.connectTls({
    hostname,
    port,
    caCerts: [ca],
    alpnProtocols: [alpn],
    ...pair,
  });
  return {
    readable: tls.readable,
    writable: tls.writable,
    close: () => {
      try {
        tls.close();
      } catch (error) {
        // The other side was first.
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
      return Promise.resolve();
    },
  };
}

/** A connection of `openssl s_client`, with any further options. */
export class OpensslDial implements RawStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #child: Deno.ChildProcess;
  readonly #stderr: Promise<string>;

  constructor(port: number, options: readonly string[]) {
    this.#child = new Deno.Command("openssl", {
      args: [
        ...["s_client", "-connect", `127.0.0.1:${port}`, "-quiet"],
        ...["-alpn", "swarmd/1", ...options],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.readable = this.#child.stdout;
    this.writable = this.#child.stdin;
    this.#stderr = new Response(this.#child.stderr).text();
  }

  /** What it said beside the connection, once that has ended. */
  get remarks(): Promise<string> {
    return this.#stderr;
  }

  async close(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await Promise.all([this.#child.status, this.#stderr]);
  }
}
