/**
 * The part of `jsr:@std/assert` that the tests use, for machines that cannot
 * reach JSR. Same names, signatures and behaviour.
 *
 * @module
 */
export {
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
} from "./compare.ts";
export {
  assertArrayIncludes,
  assertEquals,
  assertNotEquals,
  assertObjectMatch,
  assertStrictEquals,
} from "./equals.ts";
export { assertRejects, assertThrows } from "./throws.ts";
export {
  assert,
  assertExists,
  assertFalse,
  assertInstanceOf,
  AssertionError,
  assertMatch,
  assertStringIncludes,
  fail,
  unreachable,
} from "./truth.ts";
