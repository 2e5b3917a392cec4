/** Byte strings, as WebCrypto wants them: never backed by shared memory. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
// Without ignoreBOM the decoder would drop a leading U+FEFF, so that two byte
// strings would read as one text.
const strictDecoder = new TextDecoder("utf-8", {
  fatal: true,
  ignoreBOM: true,
});

/** Encodes text as UTF-8. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/**
 * Decodes UTF-8.
 *
 * @throws {TypeError} when the bytes are not well-formed UTF-8
 */
export function fromUtf8(bytes: Uint8Array): string {
  return strictDecoder.decode(bytes);
}

/** Lower-case hexadecimal, two digits a byte. */
export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/**
 * Reads what {@linkcode toHex} writes; upper case is accepted.
 *
 * @throws {SyntaxError} when the text is not an even number of hex digits
 */
export function fromHex(text: string): Bytes {
  try {
    return Uint8Array.fromHex(text);
  } catch (cause) {
    throw new SyntaxError("Cannot read hexadecimal: not pairs of hex digits", {
      cause,
    });
  }
}

/** Standard base64 with padding (RFC 4648 §4). */
export function toBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/**
 * Reads standard base64, strictly: what is accepted encodes back to the same
 * text.
 *
 * @throws {SyntaxError} when the text is not canonical base64
 */
export function fromBase64(text: string): Bytes {
  const bytes = decodeStrict(text);
  // White space is let through, and makes the text longer.
  if (text.length !== Math.ceil(bytes.length / 3) * 4) {
    throw new SyntaxError("Cannot read base64: not in its canonical form");
  }
  return bytes;
}

function decodeStrict(text: string): Bytes {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch (cause) {
    throw new SyntaxError("Cannot read base64: invalid character or length", {
      cause,
    });
  }
}

/** Joins byte strings into a new one. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  const joined = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Whether two PUBLIC byte strings are equal; secrets use `timingSafeEqual`. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
