import { hasCode, SwarmdError } from "../base/errors.ts";
import { createPrivateFile, writePrivateFile } from "./atomic_file.ts";
import { readBoundedText, tooLong } from "./bounded_file.ts";
import { damagedState, diskError } from "./disk_error.ts";

const MAX_SECRET_BYTES = 64 * 1024;
const MAX_TOKEN_BYTES = 4096;

/**
 * The text of a file that holds a secret, or `undefined` when there is none.
 *
 * @throws {SwarmdError} `disk` when others than its owner may read it,
 * `damaged-state` when it is empty or exceeds 64 KiB
 */
export async function readSecretFile(
  path: string,
): Promise<string | undefined> {
  try {
    using file = await Deno.open(path);
    refuseReadable(path, (await file.stat()).mode);
    const text = await readBoundedText(file, MAX_SECRET_BYTES);
    if (text === undefined) throw tooLong(path, MAX_SECRET_BYTES);
    if (text.trim() === "") throw damagedState(path, "an empty file");
    return text;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw diskError("read", path, { cause });
  }
}

/**
 * Makes a file (0600) that holds a secret, whole and on the disk, or not at
 * all; never replaces one.
 *
 * @throws {SwarmdError} `disk`, also when the file exists
 */
export function createSecretFile(path: string, text: string): Promise<void> {
  return createPrivateFile(path, text);
}

/**
 * Replaces a file (0600) that holds a secret: whatever happens, the old text or
 * the new one is there.
 *
 * @throws {SwarmdError} `disk`
 */
export function replaceSecretFile(path: string, text: string): Promise<void> {
  return writePrivateFile(path, text);
}

/**
 * The join token in a file: its first line, without white space around it. The
 * file may be a pipe, and may be readable by others, as mounted secrets are.
 *
 * @throws {SwarmdError} `disk` when it cannot be read, `token-malformed` when
 * the line is empty or the file exceeds 4 KiB
 */
export async function readTokenFile(path: string): Promise<string> {
  try {
    using file = await Deno.open(path);
    const text = await readBoundedText(file, MAX_TOKEN_BYTES);
    const token = text?.split("\n")[0]?.trim();
    if (!token) throw noToken(path, text === undefined);
    return token;
  } catch (cause) {
    throw diskError("read", path, { cause });
  }
}

/**
 * The unlock key in a file, as {@linkcode readTokenFile} reads a token.
 *
 * @throws {SwarmdError} `disk`, or `unlock-refused` for what is no key
 */
export async function readUnlockKeyFile(path: string): Promise<string> {
  try {
    return await readTokenFile(path);
  } catch (error) {
    if (!hasCode(error, "token-malformed")) throw error;
    throw new SwarmdError(
      "unlock-refused",
      `Cannot read the unlock key from "${path}": its first line is empty, or it is too long`,
      { verdict: "stop", data: { path, reason: "malformed" } },
    );
  }
}

function refuseReadable(path: string, mode: number | null): void {
  if (mode === null || (mode & 0o077) === 0) return;
  const octal = (mode & 0o777).toString(8).padStart(4, "0");
  throw new SwarmdError(
    "disk",
    `Cannot read "${path}": its mode ${octal} lets others than the owner use the secret in it, wanted 0600`,
    { verdict: "stop", hint: `Run: chmod 600 "${path}"`, data: { path } },
  );
}

function noToken(path: string, isTooLong: boolean): SwarmdError {
  const found = isTooLong
    ? `found more than ${MAX_TOKEN_BYTES} bytes`
    : "the first line is empty";
  return new SwarmdError(
    "token-malformed",
    `Cannot read a join token from "${path}": ${found}`,
    { verdict: "stop", data: { path } },
  );
}
