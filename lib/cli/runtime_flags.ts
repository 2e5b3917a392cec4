import { ENVIRONMENT } from "./environment.ts";

/**
 * What makes the trust store private before the first TLS connection: the
 * runtime would add these roots to ours.
 */
const TLS_ENVIRONMENT = [
  "DENO_TLS_CA_STORE",
  "DENO_CERT",
  "NODE_EXTRA_CA_CERTS",
];

/**
 * What the program asks of Deno, and no more. Addresses and paths are the
 * operator's choice, so that network and files are not narrowed. `drill` alone
 * also needs `--allow-run`; where all commands have it, in one file, every
 * other gives it up at its start.
 */
const PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  `--allow-env=${[...Object.keys(ENVIRONMENT), ...TLS_ENVIRONMENT].join(",")}`,
  "--allow-sys=hostname,networkInterfaces,osRelease,uid",
];

/**
 * A quarter of what V8 takes for young objects by itself. Of 1,000 sessions each
 * costs a manager 51 kB then instead of 92, an idle worker has 2 MB less than
 * with half, and a renewal costs as much of a core as before (Deno 2.9.6).
 */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=4";

/** What the program is started with, in every form. */
export const RUNTIME_FLAGS: readonly string[] = [V8_FLAGS, ...PERMISSIONS];
