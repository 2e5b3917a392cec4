import { within } from "./harness.ts";
import type { ClientPair } from "./raw_tls.ts";
import type { Forger } from "./thief.ts";

/**
 * A server of OpenSSL's own, which presents any certificate at all, and keeps
 * what clients say to it inside TLS.
 */
export class OpensslServer implements AsyncDisposable {
  readonly port: number;
  readonly #child: Deno.ChildProcess;
  readonly #output: () => string;
  readonly #done: Promise<unknown>;
  #ended = false;

  constructor(
    child: Deno.ChildProcess,
    parts: {
      readonly port: number;
      readonly output: () => string;
      readonly done: Promise<unknown>;
    },
  ) {
    this.#child = child;
    this.port = parts.port;
    this.#output = parts.output;
    this.#done = parts.done;
  }

  static async start(
    forger: Forger,
    pair: ClientPair,
  ): Promise<OpensslServer> {
    const child = new Deno.Command("openssl", {
      args: [
        ...["s_server", "-accept", "127.0.0.1:0", "-alpn", "swarmd/1"],
        ...["-tls1_3", ...await forger.asOptions(pair)],
      ],
      // At the end of its input it would end every connection.
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let output = "";
    const listening = Promise.withResolvers<number>();
    const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        output += text;
        const [, port] = /^ACCEPT \S*:(\d+)$/m.exec(output) ?? [];
        if (port !== undefined) listening.resolve(Number(port));
      }
      listening.reject(new Error(`openssl s_server: ${output}`));
    };
    const done = Promise.all([
      read(child.stdout),
      read(child.stderr),
      child.status,
    ]);
    const port = await within("openssl s_server", listening.promise);
    return new OpensslServer(child, { port, output: () => output, done });
  }

  /** Ends it. What it read inside TLS, and what it said about it, as text. */
  async said(): Promise<string> {
    if (this.#ended) return this.#output();
    this.#ended = true;
    try {
      this.#child.kill("SIGTERM");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.stdin.close().catch(() => {});
    await this.#done;
    return this.#output();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.said();
  }
}
