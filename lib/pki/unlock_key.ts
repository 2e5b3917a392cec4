import { encodeBase36 } from "../base/base36.ts";
import { type Bytes, concat, equalBytes, utf8 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Crypto } from "./crypto.ts";
import { hkdfSha256 } from "./hkdf.ts";
import { readKeyPart, splitKeyText } from "./key_text.ts";
import type { SealingKey } from "./sealed.ts";

const PREFIX = "SWMKEY";
const FORMAT = "1";
const SECRET_BYTES = 32;
const CHECK_BYTES = 4;

/** What an operator keeps apart from the machine, to unlock a manager. */
export interface UnlockKey {
  /** That of the cluster key that it seals. */
  readonly version: number;
  /** 32 random bytes. */
  readonly secret: Bytes;
}

/** A new unlock key, for the cluster key of a version. */
export function makeUnlockKey(random: Random, version: number): UnlockKey {
  return { version, secret: random.bytes(SECRET_BYTES) };
}

/**
 * Writes `SWMKEY-1-<version>-<secret, 50 digits>-<check, 7 digits>`, in base 36
 * but for the version. The check tells a slip of the hand from another key.
 */
export async function formatUnlockKey(
  crypto: Crypto,
  key: UnlockKey,
): Promise<string> {
  return [
    PREFIX,
    FORMAT,
    key.version,
    encodeBase36(key.secret),
    encodeBase36(await checkOf(crypto, key)),
  ].join("-");
}

/**
 * Reads what {@linkcode formatUnlockKey} writes; white space around it is
 * dropped. The error says which part is wrong and never quotes the key.
 *
 * @throws {SwarmdError} `unlock-refused`
 */
export async function parseUnlockKey(
  crypto: Crypto,
  text: string,
): Promise<UnlockKey> {
  const [version, secret, check] = splitKey(text);
  const key = {
    version: Number(version),
    secret: readKeyPart(secret, {
      what: "secret",
      byteLength: SECRET_BYTES,
      malformed,
    }),
  };
  const wanted = await checkOf(crypto, key);
  const what = { what: "check", byteLength: CHECK_BYTES, malformed };
  if (equalBytes(readKeyPart(check, what), wanted)) return key;
  throw malformed("its check does not match, so that it was mistyped");
}

/** The key that seals the cluster key of the same version. */
export async function unlockingKey(
  crypto: Crypto,
  { version, secret }: UnlockKey,
): Promise<SealingKey> {
  const key = await hkdfSha256(crypto, {
    secret,
    salt: new Uint8Array(),
    info: utf8(`swarmd unlock key 1\0${version}`),
    length: 32,
  });
  return { version, key };
}

/** Of all that is in the key; says nothing of a secret of 256 bits. */
async function checkOf(
  crypto: Crypto,
  { version, secret }: UnlockKey,
): Promise<Bytes> {
  const text = utf8(`swarmd unlock key check 1\0${version}\0`);
  return (await crypto.sha256(concat(text, secret))).slice(0, CHECK_BYTES);
}

function splitKey(text: string): [string, string, string] {
  const [format, ...parts] = splitKeyText(text, { prefix: PREFIX, malformed });
  if (format !== FORMAT) throw malformed(`its form is not ${FORMAT}`);
  const [version, secret, check] = parts;
  if (version === undefined || secret === undefined || check === undefined) {
    throw malformed(`it has ${parts.length + 2} parts, want 5; it is cut off`);
  }
  if (parts.length > 3) {
    throw malformed(`it has ${parts.length + 2} parts, want 5`);
  }
  if (!/^[1-9]\d{0,8}$/.test(version)) {
    throw malformed("its version is not a number");
  }
  return [version, secret, check];
}

function malformed(found: string): SwarmdError {
  return new SwarmdError(
    "unlock-refused",
    `Cannot read the unlock key: ${found}`,
    {
      verdict: "stop",
      hint: "Copy the whole key, from SWMKEY to its last digit",
      data: { reason: "malformed" },
    },
  );
}
