import { concat } from "../base/bytes.ts";
import { damagedState, diskError } from "./disk_error.ts";

const CHUNK_BYTES = 16 * 1024;

/**
 * The text of a file, or `undefined` when there is none.
 *
 * @throws {SwarmdError} `damaged-state` when it is longer than `maxBytes`,
 * `disk` when it cannot be read
 */
export async function readBoundedFile(
  path: string,
  maxBytes: number,
): Promise<string | undefined> {
  try {
    using file = await Deno.open(path);
    const text = await readBoundedText(file, maxBytes);
    if (text === undefined) throw tooLong(path, maxBytes);
    return text;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw diskError("read", path, { cause });
  }
}

/**
 * The rest of an open file as text, or `undefined` when that is longer than
 * `maxBytes`. Does not trust the size that the system tells: pipes have none,
 * and files grow.
 *
 * @throws the system's error
 */
export async function readBoundedText(
  file: Deno.FsFile,
  maxBytes: number,
): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  for (let total = 0; total <= maxBytes;) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const count = await file.read(chunk);
    if (count === null) return new TextDecoder().decode(concat(...chunks));
    chunks.push(chunk.subarray(0, count));
    total += count;
  }
  return undefined;
}

/** The error for a file that is longer than it may be. */
export function tooLong(path: string, maxBytes: number): Error {
  return damagedState(path, `found more than ${maxBytes} bytes`);
}
