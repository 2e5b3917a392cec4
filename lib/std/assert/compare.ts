import { failure } from "./truth.ts";

/** Fails unless `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) throw disorder([actual, ">", expected], msg);
}

/** Fails unless `actual >= expected`. */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!(actual >= expected)) throw disorder([actual, ">=", expected], msg);
}

/** Fails unless `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) throw disorder([actual, "<", expected], msg);
}

/** Fails unless `actual <= expected`. */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!(actual <= expected)) throw disorder([actual, "<=", expected], msg);
}

function disorder(claim: [unknown, string, unknown], msg?: string): Error {
  const [actual, relation, expected] = claim;
  return failure(
    `Want ${Deno.inspect(actual)} ${relation} ${Deno.inspect(expected)}`,
    msg,
  );
}
