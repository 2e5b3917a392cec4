import { type Bytes, fromBase64, toBase64 } from "../base/bytes.ts";

/** Largest PEM text that is looked at, in characters. */
const MAX_PEM_CHARACTERS = 1 << 20;
const LINE_CHARACTERS = 64;

/** Writes a textual encoding (RFC 7468 §3): lines of 64, each ended by `\n`. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""]
    .join("\n");
}

/**
 * Reads one or more blocks of a label, strictly (RFC 7468 §3): canonical base64
 * in lines of 64, and nothing but white space between blocks. Lines may end in
 * `\r\n`.
 *
 * @throws {SyntaxError} when the text is anything else, holds no block, or
 * exceeds 1 MiB; the text is never quoted, since it may hold a key
 */
export function decodePem(text: string, label: string): Bytes[] {
  if (text.length > MAX_PEM_CHARACTERS) {
    throw new SyntaxError(
      `Cannot read PEM: more than ${MAX_PEM_CHARACTERS} characters`,
    );
  }
  const lines = text.split(/\r?\n/);
  const blocks: Bytes[] = [];
  for (let at = 0; at < lines.length; at++) {
    if (lines[at]?.trim() === "") continue;
    const end = lines.indexOf(`-----END ${label}-----`, at);
    if (lines[at] !== `-----BEGIN ${label}-----` || end < 0) {
      throw new SyntaxError(
        `Cannot read PEM: line ${at + 1} begins no complete block "${label}"`,
      );
    }
    blocks.push(decodeLines(lines.slice(at + 1, end)));
    at = end;
  }
  if (blocks.length === 0) {
    throw new SyntaxError(`Cannot read PEM: found no block "${label}"`);
  }
  return blocks;
}

function decodeLines(lines: readonly string[]): Bytes {
  const last = lines.length - 1;
  const straight = lines.every((line, i) =>
    i < last
      ? line.length === LINE_CHARACTERS
      : line.length > 0 && line.length <= LINE_CHARACTERS
  );
  if (!straight || last < 0) {
    throw new SyntaxError("Cannot read PEM: want lines of 64 characters");
  }
  return fromBase64(lines.join(""));
}
