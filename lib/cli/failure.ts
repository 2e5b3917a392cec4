import { describeError, SwarmdError } from "../base/errors.ts";
import { EXIT_OF, exitNumber } from "./exit_codes.ts";
import type { Output } from "./output.ts";

/**
 * Tells the person what went wrong and gives the exit code for it. An error
 * that nobody foresaw is ours. Stacks and causes are shown with
 * `--log-level debug`.
 */
export function reportFailure(
  error: unknown,
  output: Output,
  { debug }: { readonly debug: boolean },
): number {
  const known = error instanceof SwarmdError && error.code !== "internal";
  // What a SwarmdError says is complete; its causes would say it again.
  if (known) output.say("error", error.message);
  else output.say("error", `internal: ${describeError(error)}`);
  if (debug) output.aside(stackOf(error));
  const hint = error instanceof SwarmdError ? error.hint : undefined;
  if (hint !== undefined) output.say("hint", hint);
  if (known) return exitNumber(EXIT_OF[error.code]);
  if (!debug) {
    output.say(
      "hint",
      "This is a mistake in swarmd: please report it with what --log-level debug shows",
    );
  }
  return exitNumber("internal");
}

function stackOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const own = (error.stack ?? "").split("\n");
  if (error.cause === undefined) return own;
  return [...own, "Caused by:", ...stackOf(error.cause)];
}
