import { RUNTIME_FLAGS } from "../../lib/cli/runtime_flags.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** The one file to test; without it, the sources. */
const BINARY = Deno.env.get("SWARMD_BINARY");
/** Of the environment of the tests, what the program may see. */
const INHERITED = ["PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "DENO_DIR"];
/** For what takes a second on an idle machine, in milliseconds. */
const WAIT_MS = 30_000;

/** A line that a long-running command wrote to its standard output. */
export type SwarmdEvent = Readonly<Record<string, unknown>> & {
  readonly event: string;
};

/** A line of a log in JSON. */
export type LogLine = Readonly<Record<string, unknown>> & {
  readonly message: string;
};

/** How a run of the program ended. */
export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From the start of the process to its end, in milliseconds. */
  readonly ms: number;
}

/** How the program is started. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Puts the program under another one. */
  readonly under?: (command: readonly string[]) => readonly string[];
  /** Whether it can be typed to. */
  readonly typed?: boolean;
  /** The one file to run. Default: what the tests are told to run. */
  readonly binary?: string;
}

/** How long something may take. */
export interface WaitOptions {
  /** In milliseconds; 30 s where left out. */
  readonly timeoutMs?: number;
}

const running = new Set<Deno.ChildProcess>();
// Whatever ends the tests, no process stays behind.
globalThis.addEventListener("unload", () => {
  for (const child of running) signal(child, "SIGKILL");
});

/** Runs the program to its end. */
export async function swarmd(
  args: readonly string[],
  { timeoutMs = WAIT_MS, ...options }: StartOptions & WaitOptions = {},
): Promise<Ended> {
  await using process = new Swarmd(args, options);
  return await process.waitForEnd({ timeoutMs });
}

/** A process of the program: what it says, and how it ends. */
export class Swarmd implements AsyncDisposable {
  readonly #what: string;
  readonly #child: Deno.ChildProcess;
  readonly #started = performance.now();
  readonly #ended: Promise<Ended>;
  readonly #typewriter: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #looks = new Set<() => void>();
  #stdout = "";
  #stderr = "";
  #end: Ended | undefined;
  #next = 0;

  constructor(args: readonly string[], options: StartOptions = {}) {
    const { under = (command) => command } = options;
    const [file = "", ...rest] = under(
      commandLine(args, options.binary),
    );
    this.#what = `swarmd ${args.slice(0, 2).join(" ")}`;
    this.#child = new Deno.Command(file, {
      args: rest,
      cwd: ROOT,
      clearEnv: true,
      env: { ...inherited(), ...options.env },
      stdin: options.typed ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#typewriter = options.typed
      ? this.#child.stdin.getWriter()
      : undefined;
    running.add(this.#child);
    this.#ended = this.#run();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Everything that it has told on standard output, line by line. */
  get events(): readonly SwarmdEvent[] {
    return wholeLines(this.#stdout).map((line) => JSON.parse(line));
  }

  /** Everything that it has logged; what is not JSON, as its message. */
  get log(): readonly LogLine[] {
    return wholeLines(this.#stderr).map((line) =>
      line.startsWith("{") ? JSON.parse(line) : { message: line }
    );
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  async type(text: string): Promise<void> {
    await this.#typewriter?.write(new TextEncoder().encode(text));
  }

  /** Waits for a text on standard output. */
  async waitForText(text: string, options: WaitOptions = {}): Promise<void> {
    const look = () => this.#stdout.includes(text) || undefined;
    await this.#until(look, { ...options, what: `"${text}"` });
  }

  /** The events from the first one on, until the process ends. */
  async *[Symbol.asyncIterator](): AsyncIterator<SwarmdEvent> {
    for (let i = 0;; i++) {
      const event = await this.#until(
        () => this.events[i] ?? (this.#end && "end"),
        { what: "another event" },
      );
      if (event === "end") return;
      yield event;
    }
  }

  /** The next event of a name, after the last one that was waited for. */
  async waitFor(
    name: string,
    options: WaitOptions = {},
  ): Promise<SwarmdEvent> {
    const look = () => {
      const at = this.events.findIndex((e, i) =>
        i >= this.#next && e.event === name
      );
      if (at < 0) return undefined;
      this.#next = at + 1;
      return this.events[at];
    };
    return await this.#until(look, { ...options, what: `"${name}"` });
  }

  /** The first line of the log that a test picks, after so many lines. */
  async waitForLog(
    picked: (line: LogLine) => boolean,
    { after = 0, ...options }: WaitOptions & { readonly after?: number } = {},
  ): Promise<LogLine> {
    const look = () => this.log.slice(after).find(picked);
    const what = `a line of its log that ${picked}`;
    return await this.#until(look, { ...options, what });
  }

  async waitForEnd(options: WaitOptions = {}): Promise<Ended> {
    const look = () => this.#end;
    return await this.#until(look, { ...options, what: "its end" });
  }

  signal(name: Deno.Signal): void {
    signal(this.#child, name);
  }

  /** Asks it to end. */
  async stop(
    name: Deno.Signal = "SIGTERM",
    options: WaitOptions = {},
  ): Promise<Ended> {
    this.signal(name);
    return await this.waitForEnd(options);
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<Ended> {
    this.signal("SIGKILL");
    return await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#typewriter?.close().catch(() => {});
  }

  async #run(): Promise<Ended> {
    const { stdout, stderr, status } = this.#child;
    const [{ code, signal }] = await Promise.all([
      status,
      this.#read(stdout, (text) => this.#stdout += text),
      this.#read(stderr, (text) => this.#stderr += text),
    ]);
    running.delete(this.#child);
    const ms = performance.now() - this.#started;
    const said = { stdout: this.#stdout, stderr: this.#stderr };
    this.#end = { code, signal, ...said, ms };
    this.#look();
    return this.#end;
  }

  async #read(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    take: (text: string) => void,
  ): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      take(text);
      this.#look();
    }
  }

  #look(): void {
    for (const look of [...this.#looks]) look();
  }

  /** Looks again whenever the process says something, or ends. */
  #until<T>(
    find: () => T | undefined,
    { what, timeoutMs = WAIT_MS }: WaitOptions & { readonly what: string },
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#looks.delete(look);
      };
      const fail = (how: string) => {
        done();
        reject(new Error(`${this.#what} ${how} ${what}: ${this.#said()}`));
      };
      const look = () => {
        const found = find();
        if (found === undefined && this.#end) return fail("ended without");
        if (found === undefined) return;
        done();
        resolve(found);
      };
      const late = () => fail(`did not show in ${timeoutMs} ms`);
      const timer = setTimeout(late, timeoutMs);
      this.#looks.add(look);
      look();
    });
  }

  #said(): string {
    const end = this.#end;
    const how = end ? `exit ${end.signal ?? end.code}` : "it runs";
    return `${how}\n${this.#stdout.slice(-2000)}\n${this.#stderr.slice(-4000)}`;
  }
}

/** A folder of its own for a test, deleted at the end. */
export class TempFolder implements AsyncDisposable {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<TempFolder> {
    return new TempFolder(await Deno.makeTempDir({ prefix: "swarmd-e2e-" }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Rejects when something takes too long; it is not cancelled. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  { timeoutMs = WAIT_MS }: WaitOptions = {},
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const text = `Waited ${timeoutMs} ms for ${what} in vain`;
  const timer = setTimeout(() => reject(new Error(text)), timeoutMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again what nobody tells by itself, until it holds. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  { timeoutMs = WAIT_MS }: WaitOptions = {},
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (performance.now() > end) {
      throw new Error(`Waited ${timeoutMs} ms for ${what} in vain`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function commandLine(args: readonly string[], binary = BINARY): string[] {
  if (binary) return [binary, ...args];
  const run = args[0] === "drill" ? ["--allow-run"] : [];
  const flags = ["run", "--quiet", "--no-prompt", ...RUNTIME_FLAGS, ...run];
  return [Deno.execPath(), ...flags, `${ROOT}main.ts`, ...args];
}

function inherited(): Record<string, string> {
  const found = INHERITED.map((name) => [name, Deno.env.get(name)] as const);
  return Object.fromEntries(
    found.filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

function wholeLines(text: string): string[] {
  return text.split("\n").slice(0, -1).filter((line) => line !== "");
}

function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof TypeError)) throw error;
  }
}
