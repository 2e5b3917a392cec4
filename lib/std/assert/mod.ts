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
  assertStrictEquals,
} from "./equals.ts";
export { assertRejects, assertThrows } from "./throws.ts";
export {
  assert,
  assertFalse,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
} from "./truth.ts";
