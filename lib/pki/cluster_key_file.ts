import { fromBase64, toBase64 } from "../base/bytes.ts";
import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Crypto } from "./crypto.ts";
import { newestKey, openValue, type SealedValue, sealValue } from "./sealed.ts";
import { unlockingKey, type UnlockKey } from "./unlock_key.ts";

// One line a key, the newest first; only that one may lie open:
//
//   3:<base64>            open: 32 bytes
//   3:unlock:<base64>     sealed under what the unlock key of version 3 gives
//   2:3:<base64>          sealed under the cluster key of version 3
//
// An older key is there only while something is still sealed under it.

/** Base64 of a nonce, 32 bytes and a tag. */
const LINE_REGEXP = /^([1-9]\d{0,8}):(?:(unlock|[1-9]\d{0,8}):)?([\w+/=]+)$/;
const KEY_BYTES = 32;
/** A rotation is finished before the next begins: two, but for mishaps. */
const MAX_KEYS = 16;

/** A `cluster.key` that was read, and not opened yet. */
export interface ClusterKeyFile {
  /** Version of the newest key, and of the unlock key that is wanted. */
  readonly version: number;
  /** Whether an unlock key is wanted. */
  readonly locked: boolean;
  /** As the lines say; the newest is first. */
  readonly newest: Bytes | SealedValue;
  /** By version, each sealed under the newest. */
  readonly older: ReadonlyMap<number, SealedValue>;
}

/** Cluster keys by version: the newest seals, the others only open. */
export type KeyRing = ReadonlyMap<number, Bytes>;

/**
 * Reads the text of a `cluster.key`.
 *
 * @throws {SyntaxError} when it is anything else; the text is never quoted
 */
export function parseClusterKeyFile(text: string): ClusterKeyFile {
  const lines = text.trimEnd().split("\n");
  if (lines.length > MAX_KEYS) throw notKeys(`it has ${lines.length} lines`);
  const [first, ...rest] = lines.map(readLine);
  if (!first || (first.under !== undefined && first.under !== "unlock")) {
    throw notKeys("its first key is neither open nor locked");
  }
  const { version, data } = first;
  const older = rest.map((line): [number, SealedValue] => {
    if (line.under !== String(version) || line.version >= version) {
      throw notKeys(`an older key is not sealed under key ${version}`);
    }
    return [line.version, { version, data: line.data }];
  });
  const locked = first.under === "unlock";
  const newest = locked ? { version, data } : openKey(data);
  return { version, locked, newest, older: new Map(older) };
}

/**
 * Opens the keys of a file.
 *
 * @param unlockKey must be there when the file is locked
 * @throws {SwarmdError} `unlock-refused` for another unlock key, saying which
 * version is wanted; `damaged-state` when a key does not open
 */
export async function openClusterKeys(
  crypto: Crypto,
  file: ClusterKeyFile,
  unlockKey?: UnlockKey,
): Promise<Map<number, Bytes>> {
  const { version, newest, older } = file;
  const key = "version" in newest
    ? await unlocked(crypto, newest, unlockKey)
    : newest;
  const newestRing = new Map([[version, key]]);
  const ring = new Map(newestRing);
  for (const [version, value] of older) {
    const name = keyName(version);
    ring.set(
      version,
      await openValue(crypto, { ring: newestRing, name, value }),
    );
  }
  return ring;
}

/**
 * Writes the keys of a ring as the text of a `cluster.key`.
 *
 * @param unlockKey what the newest is locked with; absent: it lies open
 * @throws {TypeError} when the unlock key is of another version
 */
export async function formatClusterKeys(
  crypto: Crypto,
  ring: KeyRing,
  unlockKey?: UnlockKey,
): Promise<string> {
  const newest = newestKey(ring);
  const lines = [await newestLine(crypto, { ring, unlockKey })];
  for (const [version, data] of ring) {
    if (version === newest.version) continue;
    const name = keyName(version);
    const sealed = await sealValue(crypto, { key: newest, name, data });
    lines.push(`${version}:${newest.version}:${sealed.data}`);
  }
  return `${lines.join("\n")}\n`;
}

async function newestLine(
  crypto: Crypto,
  { ring, unlockKey }: {
    readonly ring: KeyRing;
    readonly unlockKey: UnlockKey | undefined;
  },
): Promise<string> {
  const { version, key: data } = newestKey(ring);
  if (!unlockKey) return `${version}:${toBase64(data)}`;
  if (unlockKey.version !== version) {
    throw new TypeError(
      `Cannot lock cluster key ${version} with unlock key ${unlockKey.version}`,
    );
  }
  const key = await unlockingKey(crypto, unlockKey);
  const sealed = await sealValue(crypto, { key, name: keyName(version), data });
  return `${version}:unlock:${sealed.data}`;
}

async function unlocked(
  crypto: Crypto,
  value: SealedValue,
  given: UnlockKey | undefined,
): Promise<Bytes> {
  if (!given) throw refused(value, "none is given");
  if (given.version !== value.version) {
    throw refused(value, `that of version ${given.version} is given`);
  }
  const { version, key } = await unlockingKey(crypto, given);
  try {
    const ring = new Map([[version, key]]);
    return await openValue(crypto, { ring, name: keyName(version), value });
  } catch (error) {
    if (!(error instanceof SwarmdError)) throw error;
    throw refused(value, "another one of that version is given");
  }
}

function keyName(version: number): string {
  return `cluster-key/${version}`;
}

function readLine(line: string) {
  const [, version, under, data] = LINE_REGEXP.exec(line) ?? [];
  if (version === undefined || data === undefined) {
    throw notKeys("a line is not VERSION:BASE64");
  }
  return { version: Number(version), under, data };
}

function openKey(data: string): Bytes {
  const key = fromBase64(data);
  if (key.length === KEY_BYTES) return key;
  throw notKeys(`a key has ${key.length} bytes, want ${KEY_BYTES}`);
}

function notKeys(found: string): SyntaxError {
  return new SyntaxError(`Cannot read cluster keys: ${found}`);
}

function refused({ version }: SealedValue, found: string): SwarmdError {
  return new SwarmdError(
    "unlock-refused",
    `Cannot unlock: the unlock key of version ${version} is wanted, ${found}`,
    {
      verdict: "stop",
      hint:
        `Use the key that was shown last: the number in it, after SWMKEY and a 1, is ${version}`,
      data: { reason: "another", keyVersion: version },
    },
  );
}
