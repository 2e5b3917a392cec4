import { utf8 } from "../base/bytes.ts";
import { writePrivateFile } from "./atomic_file.ts";
import { readBoundedFile } from "./bounded_file.ts";
import { damagedState } from "./disk_error.ts";

/** Longest JSON file that is read or written, in bytes. */
export const MAX_STATE_BYTES = 1024 * 1024;

/**
 * The value in a private JSON file, or `undefined` when there is no file.
 *
 * @param damaged what to do where it is not JSON; default: to restore it
 * @throws {SwarmdError} `damaged-state` when it is not JSON or exceeds 1 MiB,
 * `disk` when it cannot be read
 */
export async function readStateFile(
  path: string,
  damaged: { readonly hint?: string } = {},
): Promise<unknown> {
  const text = await readBoundedFile(path, MAX_STATE_BYTES);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which may be a key: not a cause.
    throw damagedState(path, "not JSON", damaged);
  }
}

/**
 * Replaces a private JSON file (0600), atomically.
 *
 * @throws {SwarmdError} `disk`
 * @throws {RangeError} when the text would exceed 1 MiB, and could not be read
 * back
 * @throws {TypeError} when JSON cannot express the value
 */
export async function writeStateFile(
  path: string,
  value: unknown,
): Promise<void> {
  const text = JSON.stringify(value, null, 2);
  if (text === undefined) {
    throw new TypeError(`Cannot write "${path}": the value has no JSON form`);
  }
  const bytes = utf8(text + "\n");
  if (bytes.length > MAX_STATE_BYTES) {
    throw new RangeError(
      `Cannot write "${path}": ${bytes.length} bytes exceed ${MAX_STATE_BYTES}`,
    );
  }
  await writePrivateFile(path, bytes);
}
