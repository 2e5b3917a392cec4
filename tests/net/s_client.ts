import type { OpensslFolder } from "../pki/openssl.ts";

/** The real `openssl s_client`, as a peer. */
export class SClient implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #done: Promise<unknown>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #output = "";
  #ended = false;

  /** @param args beyond `-connect`, split at spaces */
  constructor(
    { folder, port }: { folder: OpensslFolder; port: number },
    args: string,
  ) {
    this.#child = new Deno.Command("openssl", {
      args: ["s_client", "-connect", `127.0.0.1:${port}`, ...args.split(" ")],
      cwd: folder.path,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.#child.stdin.getWriter();
    this.#done = Promise.all([
      this.#collect(this.#child.stdout),
      this.#collect(this.#child.stderr),
      this.#child.status,
    ]).then(() => {
      this.#ended = true;
    });
  }

  /**
   * Waits until the other side has ended it; gives what was printed. Before, it
   * may still be in a buffer.
   */
  async ended(): Promise<string> {
    await this.#done;
    return this.#output;
  }

  write(text: string): Promise<void> {
    return this.#stdin.write(new TextEncoder().encode(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stdin.close().catch(() => {});
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#done;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const part of stream) {
      this.#output += decoder.decode(part, { stream: true });
    }
  }
}
