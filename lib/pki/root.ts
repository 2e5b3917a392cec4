import type { Bytes } from "../base/bytes.ts";
import type { Random } from "../base/random.ts";
import { DAY, wholeSeconds } from "../base/time.ts";
import type { Crypto, KeyPair } from "./crypto.ts";
import {
  CA_CONSTRAINTS,
  CA_KEY_USAGE,
  subjectKeyId,
} from "./extension_writer.ts";
import { encodeName, type NameAttribute } from "./names.ts";
import { OID } from "./oids.ts";
import { CA_NAME, newSerial } from "./profile.ts";
import { keyIdOf } from "./spki.ts";
import { encodeTbs, signed } from "./tbs.ts";

/**
 * How long before its making a root is valid, in milliseconds. More than
 * `LEAF_BACKDATE`: a leaf never begins before its root, even if the manager's
 * clock is set back by most of a day after `init`.
 */
export const CA_BACKDATE = DAY;
/** Default life of a root, in milliseconds: 20 years. */
const ROOT_LIFE = 20 * 365.25 * DAY;

/** How a root is made. */
export interface RootOptions {
  readonly random: Random;
  /** Wall clock, in milliseconds. */
  readonly now: number;
  /** 1 for the first root of a cluster; each later one counts up. */
  readonly generation: number;
  /**
   * When the root before it begins, in milliseconds: this one begins no later.
   * A clock that was ahead when it was made would otherwise make an authority
   * of the future, under which nobody can work once the clock is right.
   */
  readonly since?: number;
  /** From `now`, in milliseconds. Default: 20 years. */
  readonly lifeMs?: number;
  readonly key: KeyPair;
}

/**
 * Makes a self-signed root certificate, DER.
 *
 * @throws {RangeError} when the generation is not a positive integer
 */
export async function createRoot(
  crypto: Crypto,
  options: RootOptions,
): Promise<Bytes> {
  const { now, key, since = Infinity, lifeMs = ROOT_LIFE } = options;
  const name = encodeName(rootName(options.generation));
  const body = encodeTbs({
    serial: newSerial(options.random),
    issuer: name,
    notBefore: wholeSeconds(Math.min(now - CA_BACKDATE, since)),
    notAfter: wholeSeconds(now + lifeMs),
    subject: name,
    spki: key.spki,
    extensions: [
      CA_CONSTRAINTS,
      CA_KEY_USAGE,
      subjectKeyId(await keyIdOf(crypto, key.spki)),
    ],
  });
  return signed(crypto, { key: key.privateKey, body });
}

/** No two roots of a cluster share a name: verifiers choose issuers by name. */
function rootName(generation: number): NameAttribute[] {
  if (!Number.isSafeInteger(generation) || generation < 1) {
    throw new RangeError(`Cannot make a root of generation ${generation}`);
  }
  const common: NameAttribute = [OID.commonName, CA_NAME];
  return generation === 1
    ? [common]
    : [common, [OID.serialNumber, String(generation)]];
}
