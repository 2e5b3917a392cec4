import { utf8 } from "../base/bytes.ts";
import { diskError } from "./disk_error.ts";
import { sha256Hex } from "./hash.ts";
import { type Environment, refuseUnsafeFolder } from "./state_directory.ts";

/** Room in `sockaddr_un` on Linux is 108 bytes, one of them the final zero. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Where sockets go whose state directory has too long a path: `/run` for root,
 * whose logins have an XDG_RUNTIME_DIR and whose services have none; else
 * XDG_RUNTIME_DIR, else `/tmp`.
 *
 * @param uid the number of the user who owns the state directory
 */
export function defaultRuntimeDirectory(
  env: Environment,
  uid: number | null,
): string {
  if (uid === 0) return "/run";
  const named = env("XDG_RUNTIME_DIR");
  return named?.startsWith("/") ? named : "/tmp";
}

/** How {@linkcode socketPath} is asked. */
export interface SocketPathOptions {
  /** Whether to make the folder that the path needs; the manager does. */
  readonly makeFolder?: boolean;
}

/**
 * The path of the operator's socket, the same for the manager and its clients
 * by whatever path they name the state directory: in it, or, if that makes
 * 108 bytes or more, in a folder of its own (0700) in the runtime directory.
 * Owner and mode of that one are checked, since anybody can make it in `/tmp`.
 *
 * @throws {SwarmdError} `disk`
 */
export async function socketPath(
  stateDir: string,
  runtimeDir: string,
  options: SocketPathOptions = {},
): Promise<string> {
  try {
    const real = await Deno.realPath(stateDir);
    const path = `${real}/swarmd.sock`;
    if (utf8(path).length <= MAX_SOCKET_PATH_BYTES) return path;
    const hash = (await sha256Hex(real)).slice(0, 16);
    const folder = `${runtimeDir}/swarmd-${hash}`;
    if (options.makeFolder) await makeFolder(folder);
    await checkFolder(folder, (await Deno.stat(real)).uid);
    return `${folder}/swarmd.sock`;
  } catch (cause) {
    throw diskError("find the socket of", stateDir, { cause });
  }
}

/**
 * Removes the folder of a socket that is closed, where {@linkcode socketPath}
 * put it outside of the state directory; unless something else is in it.
 *
 * @throws {SwarmdError} `disk`
 */
export async function removeSocketFolder(
  path: string,
  stateDir: string,
): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf("/"));
  try {
    if (folder !== await Deno.realPath(stateDir)) await Deno.remove(folder);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || isNotEmpty(cause)) return;
    throw diskError("remove", folder, { cause });
  }
}

function isNotEmpty(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    error.code === "ENOTEMPTY";
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { mode: 0o700 });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
  }
}

/** Looks at the name itself: a link could lead into somebody else's folder. */
async function checkFolder(
  folder: string,
  owner: number | null,
): Promise<void> {
  try {
    const found = await Deno.lstat(folder);
    refuseUnsafeFolder(folder, found, { owner, forbidden: 0o077 });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
  }
}
