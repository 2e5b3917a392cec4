import type { Bytes } from "../base/bytes.ts";
import { integer, sequence } from "./der.ts";
import { readDer } from "./der_reader.ts";

/**
 * ECDSA-Sig-Value (RFC 3279 §2.2.3) from the two numbers that WebCrypto gives,
 * each padded to half of the bytes.
 */
export function encodeEcdsa(raw: Bytes): Bytes {
  const half = raw.length / 2;
  return sequence(integer(raw.subarray(0, half)), integer(raw.subarray(half)));
}

/**
 * The reverse.
 *
 * @param coordinateBytes bytes that each number takes: 32 for P-256
 * @throws {SyntaxError} when it is not DER, or a number does not fit
 */
export function decodeEcdsa(der: Bytes, coordinateBytes: number): Bytes {
  const numbers = readDer(
    der,
    (reader) =>
      reader.sequence((inner) => [inner.unsigned(), inner.unsigned()]),
  );
  const raw = new Uint8Array(2 * coordinateBytes);
  for (const [i, number] of numbers.entries()) {
    if (number.length > coordinateBytes) {
      throw new SyntaxError("a signature with a number that is too large");
    }
    raw.set(number, (i + 1) * coordinateBytes - number.length);
  }
  return raw;
}
