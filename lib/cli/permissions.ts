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
export const PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  `--allow-env=${[...Object.keys(ENVIRONMENT), ...TLS_ENVIRONMENT].join(",")}`,
  "--allow-sys=hostname,networkInterfaces,osRelease,uid",
];
