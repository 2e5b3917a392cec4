// deno-lint-ignore-file no-console -- a report for a terminal
import { parseArgs } from "@std/cli";

/** How many checks and tests passed and failed. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** One command of the run. */
interface Step {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the command reports tests; otherwise it counts as one check. */
  readonly tests: boolean;
}

const ROOT = new URL("..", import.meta.url);
const SUITES = ["checks", "unit", "sim", "binary", "source", "e2e"] as const;
type Suite = typeof SUITES[number];
/** End to end with what users run; from source as a whole it is `e2e`. */
const USUAL = SUITES.filter((suite) => suite !== "e2e");

/** Folders of `tests/` that are not part of `unit`. */
const NOT_UNIT: ReadonlySet<string> = new Set([
  "bench",
  "e2e",
  "fakes",
  "sim",
  "testdata",
]);
const PARALLEL = ["--parallel"];
/** End-to-end tests that measure. */
const MEASURING = "tests/e2e/alone";
const E2E_JOBS = "4";
const FLOOD = "tests/e2e/alone/flood_test.ts";
/** Takes minutes; `deno task test:kills` runs it with the other kills. */
const LONG_KILLS = ["tests/e2e/kill_autolock_test.ts"];
/** What these show does not depend on the form of the program. */
const SOURCE_ONLY = [...LONG_KILLS, FLOOD];
/** All steps together should take 15 min: one that takes 25 hangs. */
const MAX_STEP_MS = 1_500_000;
const MAX_TRIES = 3;
const SUMMARY_REGEXP =
  /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/gm;
// deno-lint-ignore no-control-regex -- what terminals take as colour
const COLOUR_REGEXP = /\x1b\[[\d;]*m/g;

/**
 * What a test command reported. No report, or failure without a failed test,
 * counts as one failure: a crash must not look like success.
 *
 * @param output all that it printed
 * @param success whether its exit code was 0
 */
export function countTests(output: string, success: boolean): Count {
  const plain = output.replace(COLOUR_REGEXP, "");
  const [, passed, failed] = [...plain.matchAll(SUMMARY_REGEXP)].at(-1) ?? [];
  if (passed === undefined) return { passed: 0, failed: 1 };
  const failures = Number(failed);
  const count = success ? failures : Math.max(failures, 1);
  return { passed: Number(passed), failed: count };
}

/** The suites to run: those named, in the order of the table, or the usual ones. */
export function chosenSuites(only: string | undefined): Suite[] {
  if (only === undefined) return [...USUAL];
  const names = only.split(",");
  const unknown = names.filter((name) => !SUITES.some((s) => s === name));
  if (unknown.length > 0) {
    throw new SyntaxError(
      `Cannot read --only: "${unknown}" is none of ${SUITES.join(", ")}`,
    );
  }
  return SUITES.filter((suite) => names.includes(suite));
}

async function stepsOf(suite: Suite): Promise<Step[]> {
  switch (suite) {
    case "checks":
      return CHECKS.map((check) => ({ ...check, tests: false }));
    case "unit":
      return testStep("unit", await unitFolders(), [
        ...PARALLEL,
        "--doc",
        "lib",
      ]);
    case "sim":
      return testStep("sim", await existing(["tests/sim"]), PARALLEL);
    case "e2e":
      return await e2eSteps("e2e", { env: {}, without: LONG_KILLS });
    case "binary":
      return [BUILD, ...await binarySteps()];
    case "source":
      return sourceSteps();
  }
}

const CHECKS: readonly Omit<Step, "tests">[] = [
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint"] },
  { name: "types", args: ["check", "--quiet", "--frozen", "."] },
  { name: "layers", args: ["run", "--allow-read", "scripts/layers.ts"] },
  { name: "docs", args: ["run", "-A", "scripts/cli_docs.ts", "--check"] },
];

function testStep(
  name: string,
  folders: readonly string[],
  flags: readonly string[],
): Step[] {
  if (folders.length === 0) return [];
  return [{ name, args: ["test", "-A", ...flags, ...folders], tests: true }];
}

/**
 * Most end-to-end tests wait more than they compute: four files at a time on two
 * cores. Those that measure come after them, alone.
 */
async function e2eSteps(
  name: string,
  { env, without }: {
    readonly env: Readonly<Record<string, string>>;
    readonly without: readonly string[];
  },
): Promise<Step[]> {
  const together = [...PARALLEL, `--ignore=${[MEASURING, ...without].join()}`];
  const alone = [`--ignore=${without.join()}`];
  return [
    ...testStep(name, await existing(["tests/e2e"]), together),
    ...testStep(`${name}, alone`, await existing([MEASURING]), alone),
  ].map((step) => ({ ...step, env: { DENO_JOBS: E2E_JOBS, ...env } }));
}

/** In the form that needs no download. */
const BUILD: Step = {
  name: "build",
  args: ["run", "-A", "scripts/build.ts", "--portable"],
  tests: false,
};
const BINARY_ENV = {
  SWARMD_BINARY: new URL("dist/swarmd", ROOT).pathname,
  DENO_JOBS: E2E_JOBS,
};

/** The end-to-end tests, with the one file in place of the sources. */
async function binarySteps(): Promise<Step[]> {
  return await e2eSteps("binary", { env: BINARY_ENV, without: SOURCE_ONLY });
}

/** What needs the sources, and what may differ from them: every way to start. */
function sourceSteps(): Step[] {
  const files = ["cli_contract", "hitless"]
    .map((name) => `tests/e2e/${name}_test.ts`);
  return [
    ...testStep("source", files, PARALLEL),
    ...testStep("source, alone", [FLOOD], []),
  ].map((step) => ({ ...step, env: { DENO_JOBS: E2E_JOBS } }));
}

async function unitFolders(): Promise<string[]> {
  const folders = [];
  for await (
    const { name, isDirectory } of Deno.readDir(new URL("tests", ROOT))
  ) {
    if (isDirectory && !NOT_UNIT.has(name)) folders.push(`tests/${name}`);
  }
  return folders.sort();
}

async function existing(paths: readonly string[]): Promise<string[]> {
  const found = [];
  for (const path of paths) {
    try {
      await Deno.stat(new URL(path, ROOT));
      found.push(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}

/**
 * Runs a command to its end, showing and counting what it says.
 *
 * `deno lint` with a plugin crashes at its own end in about 1 of 100 runs of
 * Deno 2.9.6, after it has reported. A crash says nothing about the sources,
 * so that a check, which changes nothing, is tried again.
 */
async function run(step: Step): Promise<Count> {
  for (let tries = 1;; tries++) {
    const { output, status } = await runOnce(step);
    if (step.tests) return countTests(output, status.success);
    if (status.success) return { passed: 1, failed: 0 };
    if (status.signal !== "SIGSEGV" || tries === MAX_TRIES) {
      return { passed: 0, failed: 1 };
    }
    console.log(`== ${step.name}: the runtime crashed, once more`);
  }
}

interface Outcome {
  readonly output: string;
  readonly status: Deno.CommandStatus;
}

async function runOnce(step: Step): Promise<Outcome> {
  const limit = AbortSignal.timeout(MAX_STEP_MS);
  const child = new Deno.Command(Deno.execPath(), {
    args: [...step.args],
    cwd: ROOT,
    // The runtime sees a pipe here, and colours its reports all the same.
    env: {
      ...step.env,
      [Deno.stdout.isTerminal() ? "FORCE_COLOR" : "NO_COLOR"]: "1",
    },
    stdin: "null",
    stdout: "piped",
    signal: limit,
  }).spawn();
  let output = "";
  const decoder = new TextDecoder();
  const sink = new WritableStream<Uint8Array>({
    async write(chunk) {
      output += decoder.decode(chunk, { stream: true });
      await writeAll(chunk);
    },
  });
  try {
    await child.stdout.pipeTo(sink, { signal: limit });
  } catch (error) {
    // What the command has started may hold the pipe open after its end.
    if (!limit.aborted) throw error;
    console.log(`== ${step.name}: took too long, stopped`);
  }
  const status = await child.status;
  return { output, status };
}

async function writeAll(chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length;) {
    at += await Deno.stdout.write(chunk.subarray(at));
  }
}

async function main(args: readonly string[]): Promise<Count> {
  const { only } = parseArgs(args, { string: ["only"] });
  const suites = chosenSuites(typeof only === "string" ? only : undefined);
  const total = { passed: 0, failed: 0 };
  const failures: string[] = [];
  for (const suite of suites) {
    for (const step of await stepsOf(suite)) {
      console.log(`\n== ${step.name}`);
      const started = performance.now();
      const { passed, failed } = await run(step);
      const seconds = Math.round((performance.now() - started) / 1000);
      const line =
        `== ${step.name}: ${passed} ok, ${failed} wrong, ${seconds} s`;
      console.log(line);
      total.passed += passed;
      total.failed += failed;
      if (failed > 0) failures.push(line);
    }
  }
  console.log(["", ...failures].join("\n"));
  return total;
}

if (import.meta.main) {
  const { passed, failed } = await main(Deno.args);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) Deno.exitCode = 1;
}
