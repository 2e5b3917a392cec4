const SCRIPT = new URL("./disk_child.ts", import.meta.url).pathname;

/** What a child is told beside its action. */
export interface ChildOptions {
  readonly argument?: string;
}

/** The command line of a child that runs one action on a state directory. */
export function childCommand(
  stateDir: string,
  action: string,
  { argument = "" }: ChildOptions = {},
): string[] {
  const deno = [Deno.execPath(), "run", "--quiet", "--no-check"];
  const rights = ["--allow-read", "--allow-write", "--allow-env=COUNT_UUIDS"];
  return [...deno, ...rights, SCRIPT, stateDir, action, argument];
}

/** A child that runs, and what it says. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** The next line that it says; `undefined` when it has ended. */
  nextLine(): Promise<string | undefined>;
  /** Kills it (SIGKILL), waits for its end and gives what it said last. */
  kill(): Promise<string[]>;
}

/** Starts a child; it is killed when it goes out of scope. */
export function startChild(
  stateDir: string,
  action: string,
  options: ChildOptions = {},
): Child {
  const [program = "", ...args] = childCommand(stateDir, action, options);
  const process = new Deno.Command(program, { args, stdout: "piped" }).spawn();
  const lines = process.stdout
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new LineStream())
    .getReader();
  const nextLine = async () => (await lines.read()).value;
  const kill = async () => {
    try {
      process.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    const rest: string[] = [];
    for (let line; (line = await nextLine()) !== undefined;) rest.push(line);
    await process.status;
    return rest;
  };
  return {
    pid: process.pid,
    nextLine,
    kill,
    [Symbol.asyncDispose]: async () => void await kill(),
  };
}

/** Cuts text into its complete lines. */
class LineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(chunk, controller) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) controller.enqueue(line);
      },
    });
  }
}
