import type { Bytes } from "../base/bytes.ts";

const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const DNS_REGEXP = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const V4_REGEXP = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/** Whether a text is a host name: no wildcard, no final dot (RFC 1123 §2.1). */
export function isDnsName(text: string): boolean {
  return text.length <= 253 && DNS_REGEXP.test(text) &&
    parseIp(text) === undefined;
}

/** The 4 or 16 bytes of an address without zone; undefined for other texts. */
export function parseIp(text: string): Bytes | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

/**
 * Writes an address: IPv4 in decimals, IPv6 in its one canonical form
 * (RFC 5952 §4).
 *
 * @throws {SyntaxError} when it has neither 4 nor 16 bytes
 */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) {
    throw new SyntaxError(`an IP address of ${bytes.length} bytes`);
  }
  const groups = Array.from(
    { length: 8 },
    (_, i) => (bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0),
  );
  const { start, length } = longestZeros(groups);
  const text = (part: readonly number[]) =>
    part.map((group) => group.toString(16)).join(":");
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${
    text(groups.slice(start + length))
  }`;
}

function parseV4(text: string): Bytes | undefined {
  if (!V4_REGEXP.test(text) || /(?:^|\.)0\d/.test(text)) return undefined;
  return Uint8Array.from(text.split("."), Number);
}

function parseV6(text: string): Bytes | undefined {
  if (text.length > 45) return undefined;
  const halves = withoutV4(text)?.split("::") ?? [];
  const [head, tail] = halves;
  if (head === undefined || halves.length > 2) return undefined;
  const front = parseGroups(head);
  const back = tail === undefined ? [] : parseGroups(tail);
  if (!front || !back) return undefined;
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...front, ...new Array<number>(missing).fill(0), ...back];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** An IPv4 address at the end becomes two groups (RFC 4291 §2.2). */
function withoutV4(text: string): string | undefined {
  if (!text.includes(".")) return text;
  const at = text.lastIndexOf(":") + 1;
  const v4 = parseV4(text.slice(at));
  if (!v4) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = v4;
  const groups = [a * 256 + b, c * 256 + d].map((group) => group.toString(16));
  return text.slice(0, at) + groups.join(":");
}

function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) {
    return undefined;
  }
  return groups.map((group) => parseInt(group, 16));
}

/** The first of the longest runs of zero groups. */
function longestZeros(groups: readonly number[]) {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [i, group] of groups.entries()) {
    if (group !== 0) start = i + 1;
    else if (i + 1 - start > best.length) {
      best = { start, length: i + 1 - start };
    }
  }
  return best;
}
