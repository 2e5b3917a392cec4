import { discard, removeLeftovers } from "./atomic_file.ts";
import { damagedState, diskError } from "./disk_error.ts";
import {
  damageIn,
  FOLDERS,
  type IdentityPems,
  isNewer,
  type KnownFolder,
  LINK,
  linkedFolder,
  linkFolder,
  listFolders,
  readFolder,
  restoreModes,
  takeFolder,
  writeFolder,
} from "./identity_folders.ts";
import {
  readStagedKey,
  removeStagedKey,
  type StagedKey,
  writeStagedKey,
} from "./staged_key.ts";
import { readStateFile, writeStateFile } from "./state_file.ts";

/** What to do where `state.json` cannot be understood. */
const STATE_HINT =
  "Restore it from a backup; a worker without one moves it away and joins again, as a new node";

/** An identity as it is on the disk. */
export interface StoredIdentity extends IdentityPems {
  /** The folder that it was read from. */
  readonly folder: string;
}

/**
 * Opens the identity of a state directory and repairs what a crash or a person
 * left: a real folder `certificates` is taken in, a link that names no whole
 * identity is pointed at the newest whole one, half-done and given-up folders
 * are removed once a whole one is linked. Only for the one who holds the
 * directory's lock.
 *
 * @throws {SwarmdError} `disk`, or `damaged-state` when `certificates` is
 * neither a link nor a folder
 */
export async function openIdentityFiles(
  stateDir: string,
): Promise<IdentityFiles> {
  const subject = { attempt: "open the identity in", stateDir };
  await reported(subject, () => repair(stateDir));
  return new IdentityFiles(stateDir);
}

/**
 * As {@linkcode openIdentityFiles}, for who cannot make itself another identity:
 * one that cannot be read is not taken for none. Nothing of it is removed.
 *
 * @throws {SwarmdError} `disk`, or `damaged-state` naming the file
 */
export async function openWholeIdentity(
  stateDir: string,
): Promise<IdentityFiles> {
  const files = await openIdentityFiles(stateDir);
  await refuseDamagedIdentity(stateDir);
  return files;
}

/**
 * Refuses an identity that is there and cannot be read.
 *
 * @throws {SwarmdError} `disk`, or `damaged-state` naming the file
 */
export function refuseDamagedIdentity(stateDir: string): Promise<void> {
  const subject = { attempt: "read the identity in", stateDir };
  return reported(subject, () => refuseDamaged(stateDir));
}

/**
 * The identity in use, or `undefined` when there is no whole one. Changes
 * nothing and needs no lock: for commands beside a running process.
 *
 * @throws {SwarmdError} `disk`
 */
export function readIdentity(
  stateDir: string,
): Promise<StoredIdentity | undefined> {
  return reported({ attempt: "read the identity in", stateDir }, async () => {
    for (;;) {
      const folder = await linkedFolder(stateDir);
      if (folder === undefined) return undefined;
      const pems = await readFolder(folder);
      if (pems !== undefined) return { ...pems, folder };
      // Swapped and tidied away while it was read: ask again.
      if (await linkedFolder(stateDir) === folder) return undefined;
    }
  });
}

/**
 * The node's identity on disk: `certificates` is a relative symbolic link to
 * one of `identities/*`, each of which holds a matching key, chain and bundle
 * and never changes. Replacing the identity is one rename of the link, so
 * after a crash at any moment it names the old one or the new one, whole.
 *
 * ```text
 * one ── save ──► two, the older kept ── confirm ──► one
 *                  └────────── rollBack ───────────► one, the older
 * ```
 *
 * Calls must not overlap. Every method throws `disk` when the disk refuses;
 * what was stored before then stays.
 */
export class IdentityFiles {
  readonly #stateDir: string;
  /** What this put in use last; `undefined`: the disk tells. */
  #saved: KnownFolder | undefined;
  /** The folders besides that one; `undefined`: the disk tells. */
  #kept: readonly string[] | undefined;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  /** The identity in use, or `undefined` when there is no whole one. */
  load(): Promise<StoredIdentity | undefined> {
    return readIdentity(this.#stateDir);
  }

  /** Puts a new identity in use; the present one is kept until `confirm`. */
  save(identity: IdentityPems): Promise<void> {
    return this.#reported("save the identity in", async () => {
      const [before, kept] = [this.#saved, this.#kept];
      this.#forget();
      const folder = await writeFolder(this.#stateDir, identity, before);
      try {
        await linkFolder(this.#stateDir, folder);
        this.#saved = { folder, pems: identity };
        if (before && kept) this.#kept = [before.folder, ...kept];
      } catch (cause) {
        const linked = await linkedFolder(this.#stateDir);
        if (linked !== folder) await discard(folder);
        throw cause;
      }
    });
  }

  /** Removes what was in use before the present identity. */
  confirm(): Promise<void> {
    return this.#reported("remove old identities in", async () => {
      const linked = await linkedFolder(this.#stateDir);
      // Where somebody else changed the link, the disk tells.
      if (linked !== this.#saved?.folder) this.#forget();
      const kept = this.#kept ?? await this.#older();
      this.#kept = undefined;
      await removeFolders(kept);
      this.#kept = [];
    });
  }

  /** Goes back to what was in use before and forgets the present identity. */
  rollBack(): Promise<boolean> {
    return this.#reported("roll back the identity in", async () => {
      const current = await linkedFolder(this.#stateDir);
      const previous = await firstWhole(await this.#older());
      if (current === undefined || previous === undefined) return false;
      this.#forget();
      await linkFolder(this.#stateDir, previous);
      await removeFolders([current]);
      return true;
    });
  }

  /** The key whose certificate is awaited. Also throws `damaged-state`. */
  loadStagedKey(): Promise<StagedKey | undefined> {
    return readStagedKey(this.#stateDir);
  }

  /** Replaces the staged key. */
  saveStagedKey(staged: StagedKey): Promise<void> {
    return writeStagedKey(this.#stateDir, staged);
  }

  /** Removes the staged key, if there is one. */
  dropStagedKey(): Promise<void> {
    return removeStagedKey(this.#stateDir);
  }

  /** The value in `state.json`. Also throws `damaged-state`. */
  loadState(): Promise<unknown> {
    return readStateFile(this.#statePath, { hint: STATE_HINT });
  }

  /** Replaces the value in `state.json`. */
  saveState(state: unknown): Promise<void> {
    return writeStateFile(this.#statePath, state);
  }

  get #statePath(): string {
    return `${this.#stateDir}/state.json`;
  }

  /** Whatever fails from here on, the next call looks at the disk again. */
  #forget(): void {
    this.#saved = undefined;
    this.#kept = undefined;
  }

  async #older(): Promise<string[]> {
    const current = await linkedFolder(this.#stateDir);
    if (current === undefined) return [];
    const folders = await listFolders(this.#stateDir);
    return folders.filter((folder) => isNewer(current, folder));
  }

  #reported<T>(attempt: string, action: () => Promise<T>): Promise<T> {
    return reported({ attempt, stateDir: this.#stateDir }, action);
  }
}

async function repair(stateDir: string): Promise<void> {
  await removeLeftovers(stateDir);
  await removeLeftovers(`${stateDir}/${FOLDERS}`);
  await takeIn(stateDir);
  const folders = await listFolders(stateDir);
  const linked = await linkedFolder(stateDir);
  const whole = await firstWhole(linked ? [linked, ...folders] : folders);
  if (whole === undefined) return;
  if (whole !== linked) await linkFolder(stateDir, whole);
  await removeFolders(await uselessFolders(folders, whole));
}

/**
 * Only a whole folder is ever named or linked, so that one which is not lost
 * something later.
 */
async function refuseDamaged(stateDir: string): Promise<void> {
  const [newest] = await listFolders(stateDir);
  const folder = await linkedFolder(stateDir) ?? newest;
  const damage = folder === undefined ? undefined : await damageIn(folder);
  if (!damage) return;
  throw damagedState(damage.path, damage.found, {
    hint:
      `Restore "${LINK}" from a backup; without one, move "${LINK}" and "${FOLDERS}" away and join again, as a new node`,
  });
}

/**
 * Makes a folder in the link's place, or outside of the state directory (from
 * a backup, say), one of the identities.
 */
async function takeIn(stateDir: string): Promise<void> {
  const link = `${stateDir}/${LINK}`;
  const linked = await linkedFolder(stateDir);
  if (linked === undefined) return;
  if (linked === link) {
    if (!(await Deno.lstat(link)).isDirectory) {
      throw damagedState(link, "a file, wanted a link or a folder");
    }
    await restoreModes(link);
    await takeFolder(stateDir, link);
  } else if (!(await listFolders(stateDir)).includes(linked)) {
    const pems = await readFolder(linked);
    if (pems) await linkFolder(stateDir, await writeFolder(stateDir, pems));
  }
}

/**
 * Folders newer than the one in use were never put in use, or were rolled
 * back from; others may have lost a file.
 */
async function uselessFolders(
  folders: readonly string[],
  inUse: string,
): Promise<string[]> {
  const useless: string[] = [];
  for (const folder of folders) {
    if (isNewer(folder, inUse) || !(await firstWhole([folder]))) {
      useless.push(folder);
    }
  }
  return useless;
}

async function firstWhole(
  folders: readonly string[],
): Promise<string | undefined> {
  for (const folder of folders) {
    if (await readFolder(folder)) return folder;
  }
  return undefined;
}

/** A crash in between leaves one that is not whole, so never used again. */
async function removeFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    try {
      await Deno.remove(folder, { recursive: true });
    } catch (cause) {
      // Somebody else removed it.
      if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    }
  }
}

interface Subject {
  readonly attempt: string;
  readonly stateDir: string;
}

async function reported<T>(
  { attempt, stateDir }: Subject,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw diskError(attempt, stateDir, { cause });
  }
}
