import type { SelfCommand } from "./self_command.ts";

/** An event line of a daemon, as it was read. */
export type DrillEvent = Readonly<Record<string, unknown>>;

/** How a process of the drill is started. */
export interface DrillProcessOptions {
  readonly self: SelfCommand;
  readonly args: readonly string[];
  /** Secrets go here, not on the command line. */
  readonly env: Readonly<Record<string, string>>;
  readonly event: (event: DrillEvent) => void;
}

/** Most of a process's standard error that is kept, in characters. */
const MAX_KEPT = 8_192;
/** Time for an orderly end, in milliseconds. */
const END_MS = 5_000;

/** One daemon that the drill started: its events, and its end. */
export class DrillProcess {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  #errors = "";

  constructor(options: DrillProcessOptions) {
    const { self, args, env } = options;
    this.#child = new Deno.Command(self.file, {
      args: [...self.args, ...args],
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reading = Promise.all([
      readLines(this.#child.stdout, (line) => {
        const event: DrillEvent = JSON.parse(line);
        options.event(event);
      }),
      readLines(this.#child.stderr, (line) => {
        this.#errors = `${this.#errors}${line}\n`.slice(-MAX_KEPT);
      }),
    ]);
  }

  /** Resolves with the exit code when it ends. */
  get ended(): Promise<number> {
    return this.#child.status.then(({ code }) => code);
  }

  /** The end of its standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** Ends it in order, by force after 5 s. @returns its exit code */
  async stop(): Promise<number> {
    this.#signal("SIGTERM");
    const force = setTimeout(() => this.#signal("SIGKILL"), END_MS);
    const { code } = await this.#child.status;
    clearTimeout(force);
    await this.#reading;
    return code;
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It has ended by itself: `stop` tells how.
      if (!(error instanceof TypeError)) throw error;
    }
  }
}

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") take(line);
  }
}
