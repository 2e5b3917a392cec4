import { describeError } from "../base/errors.ts";

/** Longest text that a node tells of its problem, in characters. */
export const MAX_PROBLEM = 200;
/** One line of printable ASCII: it is shown on operators' terminals. */
export const PROBLEM_REGEXP = new RegExp(`^[ -~]{1,${MAX_PROBLEM}}$`);

/** What a node tells its manager of a failure, see `PROBLEM_REGEXP`. */
export function problemText(cause: unknown): string {
  const line = describeError(cause)
    .replace(/[\s\p{Cc}]+/gu, " ").replace(/[^ -~]/gu, "?").trim();
  if (line === "") return "unknown";
  return line.length <= MAX_PROBLEM
    ? line
    : `${line.slice(0, MAX_PROBLEM - 3)}...`;
}
