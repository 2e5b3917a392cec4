import { describeDifference } from "./diff.ts";
import { equal } from "./equal.ts";
import { AssertionError, failure } from "./truth.ts";

/** Fails unless the values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw different("Values are not equal", [actual, expected], msg);
}

/** Fails when the values are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw failure(`Want anything but ${Deno.inspect(actual)}`, msg);
}

/** Fails unless the values are the same, by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const text = equal(actual, expected)
    ? "Values are equal, but not the same"
    : "Values are not the same";
  throw different(text, [actual, expected], msg);
}

/** A value that is read by index. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** Fails unless the list contains each of the others, by deep equality. */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const found = Array.from(actual);
  const missing = Array.from(expected).filter((wanted) =>
    !found.some((value) => equal(value, wanted))
  );
  if (missing.length === 0) return;
  throw failure(
    `Want ${Deno.inspect(actual)} to include ${Deno.inspect(missing)}`,
    msg,
  );
}

function different(
  text: string,
  [actual, expected]: [unknown, unknown],
  msg?: string,
): AssertionError {
  const head = msg ? `${text}: ${msg}` : `${text}.`;
  return new AssertionError(
    `${head}\n\n${describeDifference(actual, expected)}`,
  );
}
