/**
 * The part of `jsr:@std/crypto` that the program uses, for machines that
 * cannot reach JSR. Same names, signatures and behaviour.
 *
 * @module
 */
export { timingSafeEqual } from "./timing_safe_equal.ts";
