import type { Bytes } from "../base/bytes.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../base/time.ts";
import { element, octetString, oid, sequence, TAG, time } from "./der.ts";
import { OID } from "./oids.ts";

/** Why a certificate is revoked, as far as this program says so. */
export type RevocationReason = "superseded" | "cessationOfOperation";

/** One certificate that is not to be accepted any more. */
export interface RevokedCertificate {
  /** Hex of the INTEGER, at most 20 bytes, as `Certificate.serial`. */
  readonly serial: string;
  /** Milliseconds since 1970, whole seconds. */
  readonly revokedAt: number;
  readonly reason: RevocationReason;
}

/** Longest serial number, in bytes (RFC 5280 §4.1.2.2). */
const MAX_SERIAL = 20;
/** Header, serial number with its sign byte, GeneralizedTime and reason. */
const MAX_ENTRY = 2 + (2 + 1 + MAX_SERIAL) + 17 + 14;
const ENUMERATED = 0x0a;
const DIGIT_0 = 0x30;
/** Where two digits of each stand, counted from the end of `hhmmssZ`. */
const DIGITS = [[HOUR, 7], [MINUTE, 5], [SECOND, 3]] as const;

/** Extensions of an entry, with its CRLReason (RFC 5280 §5.3.1). */
const REASONS: Readonly<Record<RevocationReason, Bytes>> = {
  superseded: reasonCode(4),
  cessationOfOperation: reasonCode(5),
};

/**
 * Writes entries of a revocation list, many into one buffer: as an array for
 * each element of each entry, 50,000 take a second, half of it for their times.
 */
export class CrlEntryWriter {
  readonly #serial = new Uint8Array(MAX_SERIAL);
  /** Encoded midnights, by the number of the day: the lives of leaves end. */
  readonly #midnights = new Map<number, Bytes>();

  /**
   * Encodes entries, one after the other.
   *
   * @throws {RangeError} when a serial number is too long or a moment is not a
   * whole second in years 1950 to 9999
   * @throws {SyntaxError} when a serial number is not hex
   */
  encode(revoked: readonly RevokedCertificate[]): Bytes {
    const into = new Uint8Array(revoked.length * MAX_ENTRY);
    let at = 0;
    for (const each of revoked) {
      const start = at;
      into[start] = TAG.sequence;
      at = this.#writeSerial(into, { at: start + 2, hex: each.serial });
      at = this.#writeTime(into, { at, wallMs: each.revokedAt });
      into.set(REASONS[each.reason], at);
      at += REASONS[each.reason].length;
      into[start + 1] = at - start - 2;
    }
    return into.slice(0, at);
  }

  #writeSerial(into: Bytes, { at, hex }: { at: number; hex: string }): number {
    const serial = this.#serial;
    const { read, written } = serial.setFromHex(hex);
    if (read !== hex.length || written === 0) {
      throw new RangeError(
        `Cannot revoke serial number "${hex}": want 1 to ${MAX_SERIAL} bytes`,
      );
    }
    let from = 0;
    while (from < written - 1 && serial[from] === 0) from++;
    // Without it a number with its highest bit set would be negative.
    const sign = (serial[from] ?? 0) >= 0x80 ? 1 : 0;
    into[at++] = TAG.integer;
    into[at++] = sign + written - from;
    at += sign; // the buffer is zero
    for (let i = from; i < written; i++) into[at++] = serial[i] ?? 0;
    return at;
  }

  #writeTime(
    into: Bytes,
    { at, wallMs }: { at: number; wallMs: number },
  ): number {
    if (wallMs % SECOND !== 0) {
      throw new RangeError(`Cannot encode time ${wallMs}: want whole seconds`);
    }
    const day = Math.floor(wallMs / DAY);
    const midnight = this.#midnight(day);
    into.set(midnight, at);
    const end = at + midnight.length;
    let rest = wallMs - day * DAY;
    for (const [unit, fromEnd] of DIGITS) {
      const value = Math.floor(rest / unit);
      rest -= value * unit;
      into[end - fromEnd] = DIGIT_0 + Math.floor(value / 10);
      into[end - fromEnd + 1] = DIGIT_0 + value % 10;
    }
    return end;
  }

  #midnight(day: number): Bytes {
    let encoded = this.#midnights.get(day);
    if (!encoded) {
      encoded = time(day * DAY);
      this.#midnights.set(day, encoded);
    }
    return encoded;
  }
}

function reasonCode(value: number): Bytes {
  const code = element(ENUMERATED, [Uint8Array.of(value)]);
  return sequence(sequence(oid(OID.reasonCode), octetString(code)));
}
