/**
 * The part of `jsr:@std/cli` that the program uses, for machines that cannot
 * reach JSR. Same names, signatures and behaviour.
 *
 * @module
 */
export { parseArgs } from "./parse_args.ts";
export { promptSecret } from "./prompt_secret.ts";
