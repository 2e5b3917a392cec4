import { SwarmdError } from "../base/errors.ts";
import { diskError } from "./disk_error.ts";

/** Looks an environment variable up. */
export type Environment = (name: string) => string | undefined;

/** What a folder must be like. */
export interface FolderDemands {
  /** The only user who may own it. */
  readonly owner: number | null;
  /** Permission bits of which it may have none. */
  readonly forbidden: number;
}

/**
 * Where the state is when no `--state-dir` says otherwise: `SWARMD_STATE_DIR`,
 * `/var/lib/swarmd` for root, else as the XDG Base Directory Specification
 * says, which has relative paths ignored.
 *
 * @param uid the user's number; `null` where the system has none
 * @throws {SwarmdError} `usage` when nothing tells
 */
export function defaultStateDirectory(
  env: Environment,
  uid: number | null,
): string {
  const named = env("SWARMD_STATE_DIR");
  if (named) return named;
  if (uid === 0) return "/var/lib/swarmd";
  const base = absolute(env("XDG_STATE_HOME"));
  if (base) return `${base}/swarmd`;
  const home = absolute(env("HOME"));
  if (home) return `${home}/.local/state/swarmd`;
  throw new SwarmdError(
    "usage",
    "Cannot find the state directory: neither HOME nor XDG_STATE_HOME is an absolute path",
    { verdict: "stop", hint: "Give --state-dir or set SWARMD_STATE_DIR" },
  );
}

/**
 * Makes the state directory (0700) if it is missing, and refuses one that
 * another user owns or may write to: who can rename in it owns the node.
 *
 * @throws {SwarmdError} `disk`
 */
export async function ensureStateDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    const demands = { owner: Deno.uid(), forbidden: 0o022 };
    refuseUnsafeFolder(path, await Deno.stat(path), demands);
  } catch (cause) {
    throw diskError("use the state directory", path, { cause });
  }
}

const PARTS =
  /^(?:certificates|identities|state\.json|next\.key\.json|cluster\.key|swarmd\.db.*)$/;

/** What only a manager has. */
const CLUSTER_PARTS = /^(?:cluster\.key|swarmd\.db.*)$/;

/**
 * The names, sorted, of whatever belongs to an identity or a cluster in a
 * directory; none when the directory is missing.
 *
 * @throws {SwarmdError} `disk`
 */
export async function holdsAnything(path: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name } of Deno.readDir(path)) {
      if (PARTS.test(name)) found.push(name);
    }
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return [];
    throw diskError("list", path, { cause });
  }
  return found.sort();
}

/**
 * The names, sorted, of what belongs to a cluster in a directory: one of them
 * makes it a manager's.
 *
 * @throws {SwarmdError} `disk`
 */
export async function holdsCluster(path: string): Promise<string[]> {
  const found = await holdsAnything(path);
  return found.filter((name) => CLUSTER_PARTS.test(name));
}

/**
 * Refuses a folder that others could use against its user.
 *
 * @throws {SwarmdError} `disk`
 */
export function refuseUnsafeFolder(
  path: string,
  found: Deno.FileInfo,
  { owner, forbidden }: FolderDemands,
): void {
  const mode = found.mode ?? 0;
  if (!found.isDirectory) throw unsafe(path, "it is not a folder");
  if (found.uid !== owner) {
    throw unsafe(path, `user ${found.uid} owns it, wanted user ${owner}`);
  }
  if ((mode & forbidden) !== 0) {
    const octal = (mode & 0o7777).toString(8).padStart(4, "0");
    throw unsafe(path, `mode ${octal} is too wide, wanted 0700`);
  }
}

function absolute(path: string | undefined): string | undefined {
  return path?.startsWith("/") ? path : undefined;
}

function unsafe(path: string, found: string): SwarmdError {
  return new SwarmdError("disk", `Cannot use the folder "${path}": ${found}`, {
    verdict: "stop",
    hint: "Make it this user's own, with mode 0700, or use another",
    data: { path },
  });
}
