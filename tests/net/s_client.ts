import type { OpensslFolder } from "../pki/openssl.ts";

/** The real `openssl s_client`, as a peer. */
export class SClient implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #done: Promise<unknown>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Set<() => void>();
  #output = "";
  #ended = false;

  /** @param args beyond `-connect`, split at spaces */
  constructor(folder: OpensslFolder, port: number, args: string) {
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
      this.#wake();
    });
  }

  get output(): string {
    return this.#output;
  }

  /** Waits until a text was printed, and fails when it never can be. */
  async until(text: string): Promise<void> {
    while (!this.#output.includes(text)) {
      if (this.#ended) {
        throw new Error(`s_client ended without "${text}": ${this.#output}`);
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Waits until the other side has ended it; gives what was printed. */
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
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
