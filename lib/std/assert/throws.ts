import { AssertionError, failure } from "./truth.ts";

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/**
 * Fails unless the function throws, and unless what it throws has the class
 * and contains the text, where they are given.
 *
 * @returns what was thrown
 */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  ...rest: [(ErrorClass<Error> | string)?, string?, string?]
): unknown {
  const wanted = readWanted(rest);
  try {
    fn();
  } catch (error) {
    return checkThrown(error, wanted);
  }
  throw failure("Want the function to throw, but it returned", wanted.msg);
}

/**
 * Fails unless the promise is rejected, and unless the reason has the class
 * and contains the text, where they are given. A function that throws at once
 * fails too.
 *
 * @returns the reason
 */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  ...rest: [(ErrorClass<Error> | string)?, string?, string?]
): Promise<unknown> {
  const wanted = readWanted(rest);
  let promise: unknown;
  try {
    promise = fn();
  } catch (error) {
    throw failure(
      `Want a promise that is rejected, but the function threw ${
        Deno.inspect(error)
      }`,
      wanted.msg,
    );
  }
  if (!isPromiseLike(promise)) {
    throw failure("Want a promise, but the function returned none", wanted.msg);
  }
  try {
    await promise;
  } catch (error) {
    return checkThrown(error, wanted);
  }
  throw failure(
    "Want a promise that is rejected, but it was fulfilled",
    wanted.msg,
  );
}

interface Wanted {
  readonly errorClass?: ErrorClass<Error> | undefined;
  readonly msgIncludes?: string | undefined;
  readonly msg?: string | undefined;
}

function readWanted(
  [first, msgIncludes, msg]: [(ErrorClass<Error> | string)?, string?, string?],
): Wanted {
  if (typeof first === "string") return { msg: first };
  return { errorClass: first, msgIncludes, msg };
}

function checkThrown(error: unknown, wanted: Wanted): unknown {
  const { errorClass, msgIncludes = "", msg } = wanted;
  if (!errorClass) return error;
  if (!(error instanceof Error)) {
    throw failure(`Want an Error, have ${Deno.inspect(error)}`, msg);
  }
  const { message, constructor: { name } } = error;
  if (!(error instanceof errorClass)) {
    throw wrongError(`Want ${errorClass.name}, have ${name}`, error, msg);
  }
  if (!message.includes(msgIncludes)) {
    throw wrongError(
      `Want an error text that contains ${JSON.stringify(msgIncludes)}, have ${
        JSON.stringify(message)
      }`,
      error,
      msg,
    );
  }
  return error;
}

/** Keeps the unexpected error as the cause, so that its stack is printed. */
function wrongError(text: string, cause: Error, msg?: string): Error {
  return new AssertionError(msg ? `${text}: ${msg}` : text, { cause });
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}
