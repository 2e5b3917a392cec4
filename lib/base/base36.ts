import type { Bytes } from "./bytes.ts";

/** Digits that base 36 needs for any value of so many bytes. */
export function base36Width(byteLength: number): number {
  return Math.ceil((byteLength * 8) / Math.log2(36));
}

/**
 * Writes bytes as one big-endian number in base 36 (digits, then lower-case
 * letters), left-padded with zeros to the width that its length needs.
 *
 * @example
 * ```ts
 * import { encodeBase36 } from "./base36.ts";
 * encodeBase36(new Uint8Array([0, 35])); // "000z"
 * ```
 */
export function encodeBase36(bytes: Uint8Array): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value.toString(36).padStart(base36Width(bytes.length), "0");
}

/**
 * Reads what {@linkcode encodeBase36} writes, and nothing else: the exact
 * width, lower case only, and a value that fits.
 *
 * @throws {SyntaxError} when the text is not the encoding of so many bytes
 */
export function decodeBase36(text: string, byteLength: number): Bytes {
  const width = base36Width(byteLength);
  if (text.length !== width || !/^[0-9a-z]+$/.test(text)) {
    throw new SyntaxError(
      `Cannot read base 36: want ${width} digits of 0-9 and a-z`,
    );
  }
  let value = 0n;
  for (const digit of text) value = value * 36n + BigInt(parseInt(digit, 36));
  const bytes = new Uint8Array(byteLength);
  for (let i = byteLength - 1; i >= 0; i--, value >>= 8n) {
    bytes[i] = Number(value & 0xffn);
  }
  if (value !== 0n) {
    throw new SyntaxError(
      `Cannot read base 36: the value does not fit ${byteLength} bytes`,
    );
  }
  return bytes;
}
