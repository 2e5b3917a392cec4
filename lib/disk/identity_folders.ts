import {
  discard,
  syncFolder,
  temporaryPath,
  writeNewFile,
} from "./atomic_file.ts";
import { readBoundedFile } from "./bounded_file.ts";

/** What must match: always written, read and replaced together. */
export interface IdentityPems {
  /** The roots that the node trusts. */
  readonly rootsPem: string;
  /** The leaf, then the intermediates that it is sent with. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Name of the link, in the state directory, to the identity in use. */
export const LINK = "certificates";
/** Name of the folder, in the state directory, of all identities. */
export const FOLDERS = "identities";

const PARTS = [
  { part: "rootsPem", file: "swarm-root-ca.crt", mode: 0o644 },
  { part: "certificatePem", file: "swarm-node.crt", mode: 0o644 },
  { part: "keyPem", file: "swarm-node.key", mode: 0o600 },
] as const;

/** Every permission that a file can give. */
const ALL_BITS = 0o7777;

/** Roots of all generations together stay far below it; in bytes. */
const MAX_PEM_BYTES = 1024 * 1024;

/** `<number>-<8 random hex digits>`, the number telling which is newer. */
const NAME_REGEXP = /^(\d{1,12})-[0-9a-f]{8}$/;

/** The newest identity folder, and what is in it. */
export interface KnownFolder {
  readonly folder: string;
  readonly pems: IdentityPems;
}

/**
 * Writes a new complete identity folder and gives its path. Only a whole
 * folder ever bears a name that {@linkcode listFolders} lists; its name is on
 * the disk once it was linked.
 *
 * @param like the folder in use, where it is known: some of it may be taken over
 * @throws the system's error, with nothing left behind
 */
export async function writeFolder(
  stateDir: string,
  pems: IdentityPems,
  like?: KnownFolder,
): Promise<string> {
  const parent = `${stateDir}/${FOLDERS}`;
  const temporary = temporaryPath(parent);
  try {
    if (!like) await ensureFolders(stateDir);
    await Deno.mkdir(temporary, { mode: 0o755 });
    await writeParts(temporary, pems, like);
    await syncFolder(temporary);
    const newest = like?.folder ?? await newestFolder(stateDir);
    const folder = await nameFolder(temporary, { stateDir, newest });
    // Where it may be the only one, no link may outlive its name.
    if (!like) await syncFolder(parent);
    return folder;
  } catch (cause) {
    await discard(temporary);
    throw cause;
  }
}

/** At once: the disk takes three files in the time of one. */
async function writeParts(
  folder: string,
  pems: IdentityPems,
  like: KnownFolder | undefined,
): Promise<void> {
  const writing = PARTS.map(async ({ part, file, mode }) => {
    const path = `${folder}/${file}`;
    const text = pems[part];
    const isSame = like?.pems[part] === text;
    const from = `${like?.folder}/${file}`;
    if (isSame && await linkPart(from, { path, text, mode })) return;
    await writeNewFile(path, text, { mode });
  });
  // None is written any more when the folder is discarded.
  await Promise.allSettled(writing);
  await Promise.all(writing);
}

/**
 * A file that never changes may stand in two folders: a new root leaves key and
 * certificate as they are, and those are on the disk.
 *
 * @returns whether it does: somebody may have changed it, and not every file
 * system can link
 */
async function linkPart(
  from: string,
  to: { readonly path: string; readonly text: string; readonly mode: number },
): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.lstat(from);
    if (!isFile || ((mode ?? 0) & ALL_BITS) !== to.mode) return false;
    if (await Deno.readTextFile(from) !== to.text) return false;
    await Deno.link(from, to.path);
    return true;
  } catch {
    // It is written instead; what is wrong with the disk is told then.
    return false;
  }
}

/**
 * Moves a folder among the identities, as the newest, and gives its path.
 *
 * @throws the system's error
 */
export async function takeFolder(
  stateDir: string,
  from: string,
): Promise<string> {
  await ensureFolders(stateDir);
  const newest = await newestFolder(stateDir);
  const folder = await nameFolder(from, { stateDir, newest });
  // Before anything names it: it is the only one of its kind.
  await syncFolder(`${stateDir}/${FOLDERS}`);
  return folder;
}

/**
 * The paths of all identity folders, complete or not, the newest first.
 *
 * @throws the system's error
 */
export async function listFolders(stateDir: string): Promise<string[]> {
  const parent = `${stateDir}/${FOLDERS}`;
  const folders: string[] = [];
  try {
    for await (const { name } of Deno.readDir(parent)) {
      if (NAME_REGEXP.test(name)) folders.push(`${parent}/${name}`);
    }
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
  }
  return folders.sort((a, b) => numberOf(b) - numberOf(a));
}

/** Whether one identity folder is newer than another. */
export function isNewer(folder: string, than: string): boolean {
  return numberOf(folder) > numberOf(than);
}

/**
 * The content of an identity folder, or `undefined` when a file is missing,
 * cut short or not PEM.
 *
 * @throws {SwarmdError} `disk`, or `damaged-state` for a file beyond 1 MiB
 */
export async function readFolder(
  folder: string,
): Promise<IdentityPems | undefined> {
  const pems = { rootsPem: "", certificatePem: "", keyPem: "" };
  for (const { part, file } of PARTS) {
    const text = await readBoundedFile(`${folder}/${file}`, MAX_PEM_BYTES);
    if (text === undefined || !looksLikePem(text)) return undefined;
    pems[part] = text;
  }
  return pems;
}

/**
 * The first file of an identity folder that is not whole, and what was found;
 * `undefined` when all are.
 *
 * @throws {SwarmdError} as {@linkcode readFolder}
 */
export async function damageIn(
  folder: string,
): Promise<{ readonly path: string; readonly found: string } | undefined> {
  for (const { file } of PARTS) {
    const path = `${folder}/${file}`;
    const text = await readBoundedFile(path, MAX_PEM_BYTES);
    if (text === undefined) return { path, found: "no such file" };
    if (!looksLikePem(text)) return { path, found: "not PEM, or cut short" };
  }
  return undefined;
}

/**
 * Gives the files of a folder that somebody else wrote the modes they must
 * have.
 *
 * @throws the system's error
 */
export async function restoreModes(folder: string): Promise<void> {
  for (const { file, mode } of PARTS) {
    await Deno.chmod(`${folder}/${file}`, mode).catch(ignoreMissing);
  }
}

/**
 * The path of the folder that the link names, whether or not it is there; a
 * real folder in the link's place is its own target. Ask once and use the
 * answer for all files: the link may be swapped between two questions.
 *
 * @throws the system's error
 */
export async function linkedFolder(
  stateDir: string,
): Promise<string | undefined> {
  const link = `${stateDir}/${LINK}`;
  try {
    const target = await Deno.readLink(link);
    return target.startsWith("/") ? target : `${stateDir}/${target}`;
  } catch (cause) {
    if (isNoLink(cause)) return link;
    return ignoreMissing(cause);
  }
}

/** readlink(2) of something that is there. */
function isNoLink(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "EINVAL";
}

/**
 * Points the link at an identity folder, atomically, and durably when the
 * promise resolves. After a power cut before that, the link may name a folder
 * whose own name was not written: then the one before counts, which is whole.
 *
 * @throws the system's error
 */
export async function linkFolder(
  stateDir: string,
  folder: string,
): Promise<void> {
  const temporary = temporaryPath(stateDir);
  try {
    // Relative, so that a state directory that is moved or mounted elsewhere
    // stays whole.
    await Deno.symlink(folder.slice(stateDir.length + 1), temporary);
    await Deno.rename(temporary, `${stateDir}/${LINK}`);
    // The disk takes both in the time of one.
    const syncing = [`${stateDir}/${FOLDERS}`, stateDir].map(syncFolder);
    await Promise.all(syncing);
  } catch (cause) {
    await discard(temporary);
    throw cause;
  }
}

async function ensureFolders(stateDir: string): Promise<void> {
  try {
    await Deno.mkdir(`${stateDir}/${FOLDERS}`, { mode: 0o755 });
    await syncFolder(stateDir);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
  }
}

async function newestFolder(stateDir: string): Promise<string> {
  const [newest = ""] = await listFolders(stateDir);
  return newest;
}

async function nameFolder(
  from: string,
  { stateDir, newest }: { readonly stateDir: string; readonly newest: string },
): Promise<string> {
  // The random part keeps a name from ever coming back with other content: a
  // slow reader could pair an old certificate with a new key.
  const suffix = crypto.randomUUID().slice(0, 8);
  const name = `${numberOf(newest) + 1}-${suffix}`;
  const folder = `${stateDir}/${FOLDERS}/${name}`;
  await Deno.rename(from, folder);
  return folder;
}

/** The number in a folder's name; 0 for any other path. */
function numberOf(folder: string): number {
  const name = folder.slice(folder.lastIndexOf("/") + 1);
  return Number(NAME_REGEXP.exec(name)?.[1] ?? 0);
}

function looksLikePem(text: string): boolean {
  return /^-----BEGIN [A-Z0-9 ]+-----$/m.test(text) &&
    /^-----END [A-Z0-9 ]+-----\s*$/m.test(text.slice(-80));
}

function ignoreMissing(cause: unknown): undefined {
  if (!(cause instanceof Deno.errors.NotFound)) throw cause;
}
