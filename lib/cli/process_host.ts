import { promptSecret } from "@std/cli";
import { SwarmdError } from "../base/errors.ts";
import { diskError } from "../disk/disk_error.ts";
import { LineWriter } from "../observe/line_writer.ts";
import type { Command, Host } from "./command.ts";
import { processEnvironment } from "./environment.ts";
import { reportFailure } from "./failure.ts";
import { Output } from "./output.ts";

/** This process, as commands see it. */
export function processHost(): Host {
  return {
    output: new Output(
      new LineWriter(Deno.stdout),
      new LineWriter(Deno.stderr),
    ),
    env: processEnvironment,
    now: () => Date.now(),
    uid: () => Deno.uid(),
    askSecret,
    readInput,
  };
}

/** Gives up what the command does not need; the runtime never gives it back. */
export function dropRights(command: Command): void {
  if (!command.startsProcesses) Deno.permissions.revokeSync({ name: "run" });
}

/**
 * The exit code after an error that nobody awaited. Without this the runtime
 * would end the process with a text of its own, and without what is queued.
 */
export function uncaughtFailure(host: Host): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const debug = host.env("SWARMD_LOG_LEVEL") === "debug";
  const fail = (error: unknown) =>
    resolve(reportFailure(error, host.output, { debug }));
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    fail(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    fail(event.error);
  });
  return promise;
}

/** As much as anything needs that is asked for; in bytes. */
const MAX_INPUT = 4096;

async function readInput(): Promise<string | null> {
  if (Deno.stdin.isTerminal()) return null;
  const input = new Uint8Array(MAX_INPUT);
  let length = 0;
  try {
    while (length < MAX_INPUT && !input.includes(0x0a)) {
      const count = await Deno.stdin.read(input.subarray(length));
      if (count === null) break;
      length += count;
    }
  } catch (cause) {
    throw diskError("read", "standard input", { cause });
  }
  const text = new TextDecoder().decode(input.subarray(0, length));
  return text.split("\n")[0] ?? "";
}

/**
 * The prompt is written to standard output, so it needs a person on both ends:
 * else it would end up in the data.
 */
function askSecret(message: string): string | null {
  if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) return null;
  try {
    return promptSecret(message, { mask: "", clear: true });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.Interrupted)) throw cause;
    throw new SwarmdError("interrupted", "Cannot go on: interrupted", {
      verdict: "stop",
    });
  }
}
