import { utf8 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { readBoundedText } from "./bounded_file.ts";
import { diskError } from "./disk_error.ts";

const LOCK_FILE = "swarmd.lock";
const MAX_LOCK_BYTES = 4096;
const EXCLUSIVE = true;
/** For a holder that has not written yet who it is, in milliseconds. */
const NAMING_MS = 500;
const NAMING_STEP_MS = 20;

/** A held lock; give it back with `close` or `await using`. */
export interface Lock extends AsyncDisposable {
  /** Gives the lock back; more than once does no harm. */
  close(): Promise<void>;
}

/**
 * Takes the exclusive lock of a state directory, or says at once that it is
 * held; only for the holder's name it waits, up to half a second. The kernel
 * keeps it (flock), so it ends with the process, however that ends; the file
 * only says who holds it, and stays.
 *
 * @param command what the process does, such as `worker run`; shown to others,
 * so without arguments: a token may be among them
 * @throws {SwarmdError} `locked-directory` naming the holder, or `disk`
 */
export async function lockStateDirectory(
  stateDir: string,
  command = "swarmd",
): Promise<Lock> {
  const path = `${stateDir}/${LOCK_FILE}`;
  const file = await openLockFile(path);
  try {
    if (!await file.tryLock(EXCLUSIVE)) {
      throw lockedDirectory(stateDir, await waitForHolder(file));
    }
    await sayWhoHolds(file, command);
    return makeLock(file);
  } catch (cause) {
    file.close();
    throw diskError("lock", path, { cause });
  }
}

interface Holder {
  readonly pid: number;
  readonly command: string;
  /** ISO 8601, in UTC. */
  readonly since: string;
}

async function openLockFile(path: string): Promise<Deno.FsFile> {
  const options = { read: true, write: true, create: true, mode: 0o600 };
  try {
    return await Deno.open(path, options);
  } catch (cause) {
    throw diskError("open", path, { cause });
  }
}

function makeLock(file: Deno.FsFile): Lock {
  let held = true;
  const close = async () => {
    if (!held) return;
    held = false;
    try {
      // Else the next holder is called by this one's name until it has written
      // its own.
      await file.truncate();
    } finally {
      file.close();
    }
  };
  return { close, [Symbol.asyncDispose]: close };
}

/**
 * Never fails: on a full disk a node must still start, and who finds it locked
 * then reads of "another process".
 */
async function sayWhoHolds(file: Deno.FsFile, command: string): Promise<void> {
  const since = new Date().toISOString();
  const holder: Holder = { pid: Deno.pid, command, since };
  try {
    await file.truncate();
    await file.write(utf8(JSON.stringify(holder) + "\n"));
  } catch {
    return;
  }
}

/** Of several that start at once, the losers come before the winner has written. */
async function waitForHolder(file: Deno.FsFile): Promise<Holder | undefined> {
  for (let waitedMs = 0;; waitedMs += NAMING_STEP_MS) {
    await file.seek(0, Deno.SeekMode.Start);
    const holder = await readHolder(file);
    if (holder || waitedMs >= NAMING_MS) return holder;
    await new Promise((resolve) => setTimeout(resolve, NAMING_STEP_MS));
  }
}

/** Who holds the lock; `undefined` in the moment before it has said so. */
async function readHolder(file: Deno.FsFile): Promise<Holder | undefined> {
  const text = await readBoundedText(file, MAX_LOCK_BYTES);
  try {
    const { pid, command, since } = JSON.parse(text ?? "");
    return { pid: Number(pid), command: String(command), since: String(since) };
  } catch {
    return undefined;
  }
}

function lockedDirectory(
  stateDir: string,
  holder: Holder | undefined,
): SwarmdError {
  const by = holder
    ? `process ${holder.pid} ("${holder.command}", since ${holder.since})`
    : "another process";
  return new SwarmdError(
    "locked-directory",
    `Cannot lock "${stateDir}": ${by} holds it, wanted it free`,
    {
      verdict: "stop",
      hint: "Stop that process, or give this one a --state-dir of its own",
      data: { stateDir, ...holder },
    },
  );
}
