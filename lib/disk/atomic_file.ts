import { utf8 } from "../base/bytes.ts";
import { diskError } from "./disk_error.ts";

const TEMPORARY_PREFIX = ".swarmd-tmp-";
/** What a umask may take away from a new file: the bits that are not its owner's. */
const OTHERS = 0o077;

/**
 * Replaces or makes a file that only its owner may read (0600). A reader sees
 * the old content or the new one, also after a crash at any moment; when the
 * promise resolves, the new one is on the disk.
 *
 * @throws {SwarmdError} `disk`, with the old file untouched or, when only the
 * last fsync failed, replaced
 */
export function writePrivateFile(
  path: string,
  data: string | Uint8Array,
): Promise<void> {
  return publishFile(path, data, { mode: 0o600, publish: Deno.rename });
}

/**
 * Makes a private file (0600) that must not exist yet, whole or not at all.
 *
 * @throws {SwarmdError} `disk`; its cause is `Deno.errors.AlreadyExists` when
 * something of that name is there
 */
export function createPrivateFile(
  path: string,
  data: string | Uint8Array,
): Promise<void> {
  return publishFile(path, data, { mode: 0o600, publish: moveToFreeName });
}

/**
 * Makes a file of an exact mode, whatever the umask takes from others than the
 * owner, and writes it through to the disk. Not atomic: for names that nobody
 * looks at yet.
 *
 * @throws the system's error, also when the file exists
 */
export async function writeNewFile(
  path: string,
  data: string | Uint8Array,
  { mode }: { readonly mode: number },
): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode });
  if ((mode & OTHERS) !== 0) await Deno.chmod(path, mode);
  let rest = typeof data === "string" ? utf8(data) : data;
  while (rest.length > 0) rest = rest.subarray(await file.write(rest));
  await file.sync();
}

/**
 * Writes a folder's names through to the disk: without this, a rename in it
 * can be undone by a power cut.
 *
 * @throws the system's error
 */
export async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}

/** A new name in a folder that {@linkcode removeLeftovers} recognises. */
export function temporaryPath(folder: string): string {
  return `${folder}/${TEMPORARY_PREFIX}${crypto.randomUUID()}`;
}

/**
 * Removes what a killed process left half-done in a folder, if there is such a
 * folder. Only for the one who holds the lock: it would take the files of a
 * live process away.
 *
 * @throws {SwarmdError} `disk`
 */
export async function removeLeftovers(folder: string): Promise<void> {
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (!name.startsWith(TEMPORARY_PREFIX)) continue;
      await Deno.remove(`${folder}/${name}`, { recursive: true });
    }
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw diskError("remove leftovers in", folder, { cause });
  }
}

/**
 * Removes a temporary file or folder, if it is there, after something failed.
 * Never throws: the failure that led here is the one to report, and what stays
 * is removed by {@linkcode removeLeftovers} at the next start.
 */
export async function discard(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
}

/** The folder that a path names an entry of. */
function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  if (slash < 0) return ".";
  return path.slice(0, slash) || "/";
}

interface Publication {
  readonly mode: number;
  /** Gives the temporary file its final name, atomically. */
  readonly publish: (from: string, to: string) => Promise<void>;
}

async function publishFile(
  path: string,
  data: string | Uint8Array,
  { mode, publish }: Publication,
): Promise<void> {
  const folder = folderOf(path);
  const temporary = temporaryPath(folder);
  try {
    await writeNewFile(temporary, data, { mode });
    await publish(temporary, path);
    await syncFolder(folder);
  } catch (cause) {
    await discard(temporary);
    throw diskError("write", path, { cause });
  }
}

/** A rename that refuses to replace: link(2) fails where the name is taken. */
async function moveToFreeName(from: string, to: string): Promise<void> {
  await Deno.link(from, to);
  await Deno.remove(from);
}
