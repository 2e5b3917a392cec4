import type { Host } from "../../lib/cli/command.ts";
import { Output } from "../../lib/cli/output.ts";
import { runCommandLine } from "../../lib/cli/run.ts";
import { LineWriter } from "../../lib/observe/line_writer.ts";

/** What a command may find around it. */
export interface FakeWorld {
  readonly env?: Readonly<Record<string, string>>;
  readonly now?: number;
  /** What a person answers; absent: nobody is there. */
  readonly answer?: string;
  /** The first line that is piped in; absent: a terminal. */
  readonly input?: string;
}

/** What a command left behind. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Collects what is written. */
export class MemorySink {
  readonly #decoder = new TextDecoder();
  text = "";

  write(bytes: Uint8Array): Promise<number> {
    this.text += this.#decoder.decode(bytes, { stream: true });
    return Promise.resolve(bytes.length);
  }
}

/** A process that is none, and what it wrote. */
export class FakeHost implements Host {
  readonly stdout: MemorySink = new MemorySink();
  readonly stderr: MemorySink = new MemorySink();
  readonly output: Output = new Output(
    new LineWriter(this.stdout),
    new LineWriter(this.stderr),
  );
  readonly asked: string[] = [];
  readonly #world: FakeWorld;

  constructor(world: FakeWorld = {}) {
    this.#world = world;
  }

  env = (name: string): string | undefined => this.#world.env?.[name];
  now = (): number => this.#world.now ?? Date.UTC(2026, 0, 1);
  uid = (): number | null => 1000;

  askSecret = (message: string): string | null => {
    this.asked.push(message);
    return this.#world.answer ?? null;
  };

  readInput = (): Promise<string | null> =>
    Promise.resolve(this.#world.input ?? null);
}

/** Runs a command line in this process. */
export async function runLine(
  argv: readonly string[],
  world: FakeWorld = {},
): Promise<Outcome> {
  const host = new FakeHost(world);
  const code = await runCommandLine(argv, host);
  await host.output.flush();
  return { code, stdout: host.stdout.text, stderr: host.stderr.text };
}
