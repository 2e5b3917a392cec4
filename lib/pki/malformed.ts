import { type ErrorCode, SwarmdError, type Verdict } from "../base/errors.ts";

/** What is being read, and what an unreadable one amounts to. */
export interface ReadingContext {
  /** Such as `certificate`. */
  readonly what: string;
  readonly code: ErrorCode;
  /** Default: `retry`. */
  readonly verdict?: Verdict;
}

/**
 * Runs a parser; unparsable input becomes an error with a code, and every
 * other failure stays what it is.
 *
 * @throws {SwarmdError} with the code, when the parser throws a SyntaxError
 */
export function refuseMalformed<T>(
  { what, code, verdict = "retry" }: ReadingContext,
  parse: () => T,
): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SwarmdError(code, `Cannot read ${what}: ${error.message}`, {
      verdict,
    });
  }
}
