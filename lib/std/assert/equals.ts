import { describeDifference } from "./diff.ts";
import { equal } from "./equal.ts";
import { AssertionError, failure } from "./truth.ts";

/** What is compared as a whole, not by its properties. */
const WHOLE = [Date, RegExp, Map, Set, Uint8Array, URL] as const;

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

/** Fails unless the object has at least the content of the other, deeply. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  assertEquals(pick(actual, expected), pick(expected, expected), msg);
}

/**
 * The part of a value that another one speaks of. Instances become plain
 * objects, so that an error can be matched by its fields.
 */
function pick(actual: unknown, expected: unknown): unknown {
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return expected.slice(0, actual.length).map((wanted, i) =>
      pick(actual[i], wanted)
    );
  }
  if (!isRecord(actual) || !isRecord(expected)) return actual;
  const keys = Reflect.ownKeys(expected).filter((key) =>
    Object.hasOwn(actual, key)
  );
  return Object.fromEntries(
    keys.map((key) => [key, pick(actual[key], expected[key])]),
  );
}

function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !WHOLE.some((type) => value instanceof type);
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
