import { type Bytes, concat, fromUtf8, utf8 } from "../base/bytes.ts";

/** One whole answer of an HTTP server. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: Bytes;
}

const STATUS_REGEXP = /^HTTP\/1\.[01] ([2-5]\d\d)(?: |$)/;
const HEAD_END = utf8("\r\n\r\n");
const LINE_END = utf8("\r\n");

/**
 * Reads all that a server sent, up to its end of the connection, in answer to
 * one request (RFC 9112 §6.3). One that is cut off is noticed where the server
 * said how long it is.
 *
 * @throws {SyntaxError} when it is not one whole answer
 */
export function readAnswer(bytes: Bytes): HttpAnswer {
  const end = indexOf(bytes, HEAD_END);
  if (end < 0) throw new SyntaxError("no whole HTTP answer");
  const [first = "", ...lines] = textOf(bytes.subarray(0, end)).split("\r\n");
  const [, status] = STATUS_REGEXP.exec(first) ?? [];
  if (status === undefined) {
    throw new SyntaxError("no final answer of HTTP/1.1");
  }
  const rest = bytes.slice(end + HEAD_END.length);
  return { status: Number(status), body: bodyOf(rest, headersOf(lines)) };
}

function headersOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new SyntaxError("a header without a name");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

function bodyOf(
  rest: Bytes,
  headers: ReadonlyMap<string, string>,
): Bytes {
  const coding = headers.get("transfer-encoding");
  if (coding !== undefined) {
    if (coding.toLowerCase() === "chunked") return chunksOf(rest);
    throw new SyntaxError("a transfer coding that was not asked for");
  }
  const declared = headers.get("content-length");
  if (declared === undefined) return rest;
  if (declared !== String(rest.length)) {
    throw new SyntaxError("a body that is not as long as declared");
  }
  return rest;
}

/** RFC 9112 §7.1. */
function chunksOf(rest: Bytes): Bytes {
  const parts: Bytes[] = [];
  for (let at = 0;;) {
    const lineLength = indexOf(rest.subarray(at), LINE_END);
    if (lineLength < 0) throw cutOff();
    const lineEnd = at + lineLength;
    const size = textOf(rest.subarray(at, lineEnd)).replace(
      /[ \t]*(?:;.*)?$/,
      "",
    );
    if (!/^[0-9A-Fa-f]{1,7}$/.test(size)) {
      throw new SyntaxError("a chunk without a size");
    }
    const length = parseInt(size, 16);
    if (length === 0) return concat(...parts);
    const start = lineEnd + LINE_END.length;
    at = start + length + LINE_END.length;
    if (at > rest.length) throw cutOff();
    parts.push(rest.subarray(start, start + length));
  }
}

function cutOff(): SyntaxError {
  return new SyntaxError("a body that is cut off");
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw new SyntaxError("a head that is not text");
  }
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = 0; at + wanted.length <= bytes.length; at++) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}
