// deno-lint-ignore-file no-console -- a report for a terminal
import { parseArgs } from "@std/cli";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { toHex } from "../lib/base/bytes.ts";
import { RUNTIME_FLAGS } from "../lib/cli/runtime_flags.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** `deno compile` fetches its runtime: 90 s are enough at 4 Mbit/s. */
const MAX_COMPILE_MS = 90_000;

/** What is built, and from what. */
interface Plan {
  readonly main: string;
  readonly out: string;
  /** Whether to make the portable form without trying the other. */
  readonly portable: boolean;
}

function readPlan(args: readonly string[]): Plan {
  const { main, out, portable } = parseArgs(args, {
    string: ["main", "out"],
    boolean: ["portable"],
  });
  return {
    main: String(main ?? `${ROOT}main.ts`),
    out: String(out ?? `${ROOT}dist/swarmd`),
    portable: portable === true,
  };
}

async function build({ main, out, portable }: Plan): Promise<void> {
  await Deno.mkdir(new URL(".", `file://${out}`), { recursive: true });
  const bundle = `${out}.js`;
  await bundleTo(bundle, main);
  const refusal = portable ? "as asked" : await compileTo(out, bundle);
  if (refusal !== undefined) {
    console.error(`build: making the portable form: ${refusal}`);
    await writePortable({ out, bundle, runtime: Deno.execPath() });
  }
  await Deno.remove(bundle);
  const { size } = await Deno.stat(out);
  console.error(`build: ${out}, ${(size / 1e6).toFixed(1)} MB`);
}

/** Both forms run the same text: one file, without a package beside it. */
async function bundleTo(bundle: string, main: string): Promise<void> {
  const { success, stderr } = await deno([
    ...["bundle", "--frozen-lockfile", "--minify", "--keep-names"],
    ...["--output", bundle, main],
  ]);
  if (success) return;
  throw new Error(`Cannot bundle "${main}": ${stderr.trim()}`);
}

/** Why there is no compiled file, or nothing. */
async function compileTo(
  out: string,
  bundle: string,
): Promise<string | undefined> {
  // It writes over nothing but what it made itself.
  const made = `${out}.compiled`;
  const { success, stderr } = await deno([
    ...["compile", "--no-check", "--no-config", "--no-lock", "--no-prompt"],
    // One file has one set: all but `drill` give up the last one at once.
    ...[...RUNTIME_FLAGS, "--allow-run", "--output", made, bundle],
  ], MAX_COMPILE_MS);
  if (success) return void await Deno.rename(made, out);
  const cause = stderr.trim().split("\n").at(-1)?.replace(/^\s*\d+: /, "");
  return `deno compile cannot get its runtime (${cause || "no reason given"})`;
}

interface Outcome {
  readonly success: boolean;
  readonly stderr: string;
}

async function deno(
  args: readonly string[],
  limitMs?: number,
): Promise<Outcome> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    ...limitMs === undefined ? {} : { signal: AbortSignal.timeout(limitMs) },
  }).output();
  return { success, stderr: new TextDecoder().decode(stderr) };
}

/** Paths of what the portable form is made of. */
export interface PortableParts {
  readonly out: string;
  readonly bundle: string;
  readonly runtime: string;
}

/**
 * One file that needs nothing but a POSIX shell and gzip: the launcher, the
 * compressed bundle, the compressed runtime.
 */
export async function writePortable(parts: PortableParts): Promise<void> {
  const { out, bundle } = parts;
  const program = gzipSync(await Deno.readFile(bundle), { level: 9 });
  const runtime = gzipSync(await Deno.readFile(parts.runtime), { level: 6 });
  const hash = createHash("sha256").update(program).update(runtime).digest();
  const template = await Deno.readTextFile(
    new URL("launcher.sh", import.meta.url),
  );
  const head = launcher(template, {
    hash: toHex(hash),
    programSize: program.length,
    flags: RUNTIME_FLAGS,
  });
  const temporary = `${out}.new`;
  using file = await Deno.open(temporary, {
    write: true,
    create: true,
    truncate: true,
    mode: 0o755,
  });
  const writer = file.writable.getWriter();
  for (const part of [head, program, runtime]) await writer.write(part);
  await writer.close();
  // A program that runs may not be written over, but it may be replaced.
  await Deno.rename(temporary, out);
}

interface LauncherFacts {
  /** SHA-256 of all that follows, in hexadecimal. */
  readonly hash: string;
  /** Bytes of the compressed program; the runtime is the rest. */
  readonly programSize: number;
  readonly flags: readonly string[];
}

/** The launcher with its facts filled in, its own size among them. */
function launcher(template: string, facts: LauncherFacts): Uint8Array {
  const filled = template
    .replace("@HASH@", facts.hash)
    .replace("@PROGRAM_SIZE@", String(facts.programSize))
    .replace("@FLAGS@", facts.flags.map((flag) => `'${flag}'`).join(" "));
  const encoder = new TextEncoder();
  // Of fixed width, so that the number does not change the size.
  const sized = (size: number) =>
    encoder.encode(filled.replace("@HEAD_SIZE@", String(size).padEnd(8)));
  return sized(sized(0).length);
}

if (import.meta.main) await build(readPlan(Deno.args));
