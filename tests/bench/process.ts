import { V8_FLAGS } from "../../lib/cli/runtime_flags.ts";
import { cpuMs, linesOf, residentKb } from "./child.ts";

const ROOT = new URL("../../", import.meta.url);
/** Longest that one answer of a child may take, in milliseconds. */
const MAX_ANSWER_MS = 300_000;

/** What a child answers: numbers and texts by name. */
export type Answer = Readonly<Record<string, unknown>>;

/** A script of this folder in a process of its own, which does what it is told. */
export class BenchProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #lines: AsyncGenerator<string>;
  #stopped = false;

  constructor(script: string, args: readonly string[] = []) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", V8_FLAGS, `tests/bench/${script}`, ...args],
      cwd: ROOT,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Processor time so far, in milliseconds. */
  get cpuMs(): number {
    return cpuMs(this.#child.pid);
  }

  /** Resident memory, in kilobytes of 1,000 bytes. */
  get residentKb(): number {
    return residentKb(this.#child.pid);
  }

  /** The next line that it says. */
  async answer(): Promise<Answer> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error("A process of the bench does not answer")),
      MAX_ANSWER_MS,
    );
    const line = await Promise.race([this.#lines.next(), late])
      .finally(() => clearTimeout(timer));
    if (!line.done) return JSON.parse(line.value);
    const { code } = await this.#child.status;
    throw new Error(`A process of the bench ended with ${code}`);
  }

  async ask(action: string, asked: Answer = {}): Promise<Answer> {
    const line = `${JSON.stringify({ ...asked, action })}\n`;
    await this.#input.write(new TextEncoder().encode(line));
    return await this.answer();
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.#input.close().catch(() => {});
    const force = setTimeout(() => this.kill(), 10_000);
    await this.#child.status;
    clearTimeout(force);
    await this.#lines.return(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Ends it at once. */
  kill(): void {
    this.signal("SIGKILL");
  }

  signal(name: Deno.Signal): void {
    try {
      this.#child.kill(name);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
  }
}
