import { type Bytes, fromUtf8, utf8 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { MAX_FRAME } from "./connection.ts";

/** Wants an answer. */
export interface Request {
  /** 0 to 2^53-1, chosen by the asker, unique within the session. */
  readonly id: number;
  readonly method: string;
  /** A JSON object, or absent. */
  readonly params?: unknown;
}

/** Wants no answer. */
export interface Notification {
  readonly method: string;
  /** A JSON object, or absent. */
  readonly params?: unknown;
}

/** An answer. */
export interface Success {
  readonly id: number;
  readonly result: unknown;
}

/** An error as it travels. Written and read in `wire_error.ts`. */
export interface FailureBody {
  /** Number of JSON-RPC 2.0 §5.1, for tools that know no other. */
  readonly code: number;
  readonly message: string;
  /** `code`, `verdict`, `hint`, `now`, and the facts of the error. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** An answer that is an error. */
export interface Failure {
  readonly id: number;
  readonly error: FailureBody;
}

/** One message of JSON-RPC 2.0, without the member that says so. */
export type Message = Request | Notification | Success | Failure;

/** A message with its place in the session, counted from 1 per direction. */
export type WireMessage = Message & { readonly n?: number };

/** How deep objects and arrays may nest; the message itself is the first. */
const MAX_DEPTH = 16;
const METHOD_REGEXP = /^[a-z][a-z0-9.A-Z-]{0,63}$/;
/**
 * A member named `__proto__`, however it is escaped: whoever copies members one
 * by one would change a prototype. Only a member's name has a bare quote both
 * before and after it, then a colon.
 */
const PROTO_REGEXP =
  /[{,\s]"(?:_|\\u005[fF]){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006[fF])(?:t|\\u0074)(?:o|\\u006[fF])(?:_|\\u005[fF]){2}"\s*:/;

/**
 * Writes a message as UTF-8 JSON. Refuses what {@linkcode decodeMessage} would
 * refuse: a session would send it again and again to a peer that cannot read it.
 *
 * @throws {SwarmdError} `bad-message` when the peer could not read it, or it
 * is longer than 1 MiB
 * @throws {TypeError} when it holds a value that JSON cannot express
 */
export function encodeMessage(message: WireMessage): Bytes {
  const shaped = readShape({ ...message });
  const text = JSON.stringify({ jsonrpc: "2.0", ...shaped });
  checkNames(text);
  const payload = utf8(text);
  if (payload.length > MAX_FRAME) {
    refuse(`it has ${payload.length} bytes, want at most ${MAX_FRAME}`);
  }
  checkDepth(payload);
  return payload;
}

/**
 * Reads a message. Members that are not known here are dropped, so that newer
 * peers may add some.
 *
 * Errors never quote the payload: it may hold a secret.
 *
 * @throws {SwarmdError} `bad-message` unless it is well-formed UTF-8, JSON,
 * nested at most 16 deep, without a member named `__proto__`, and one of the
 * four shapes
 */
export function decodeMessage(payload: Uint8Array): WireMessage {
  checkDepth(payload);
  const value = parseJson(payload);
  if (!isObject(value)) refuse("it is not an object");
  if (value.jsonrpc !== "2.0") refuse('"jsonrpc" is not "2.0"');
  return readShape(value);
}

type Members = Readonly<Record<string, unknown>>;

function refuse(found: string): never {
  throw new SwarmdError("bad-message", `Cannot accept message: ${found}`);
}

/**
 * Runs before the parser. It can misread only what the parser refuses: up to
 * the first byte that is not JSON, both see the same strings and brackets.
 */
function checkDepth(payload: Uint8Array): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < payload.length; i++) {
    const byte = payload[i];
    if (byte === 0x22) inString = !inString;
    else if (inString) {
      if (byte === 0x5c) i++;
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_DEPTH) refuse(`it nests deeper than ${MAX_DEPTH}`);
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
}

function parseJson(payload: Uint8Array): unknown {
  let text: string;
  try {
    text = fromUtf8(payload);
  } catch {
    return refuse("it is not well-formed UTF-8");
  }
  checkNames(text);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own text quotes what it read.
    return refuse("it is not JSON");
  }
}

function checkNames(text: string): void {
  if (PROTO_REGEXP.test(text)) refuse('it has a member named "__proto__"');
}

function readShape(from: Members): WireMessage {
  const message = from.method === undefined ? readAnswer(from) : readCall(from);
  const { n } = from;
  if (n === undefined) return message;
  if (!isCount(n) || n === 0) refuse('"n" is not a number from 1');
  return { ...message, n };
}

function readCall(from: Members): Request | Notification {
  const { id, method, params } = from;
  if (typeof method !== "string" || !METHOD_REGEXP.test(method)) {
    refuse('"method" is not the name of a method');
  }
  if (from.result !== undefined || from.error !== undefined) {
    refuse("it is a call and an answer at once");
  }
  if (params !== undefined && !isObject(params)) {
    refuse('"params" is not an object');
  }
  if (id === undefined) {
    return params === undefined ? { method } : { method, params };
  }
  if (!isCount(id)) refuse(`"id" is not a whole number from 0`);
  return params === undefined ? { id, method } : { id, method, params };
}

function readAnswer(from: Members): Success | Failure {
  const { id, error } = from;
  if (!isCount(id)) refuse(`it has no "method", and no whole number as "id"`);
  if (from.params !== undefined) refuse('it is an answer with "params"');
  const hasResult = Object.hasOwn(from, "result");
  if (hasResult === (error !== undefined)) {
    refuse('it has not exactly one of "method", "result" and "error"');
  }
  if (hasResult) return { id, result: from.result ?? null };
  return { id, error: readFailure(error) };
}

function readFailure(error: unknown): FailureBody {
  if (!isObject(error)) refuse('"error" is not an object');
  const { code, message, data } = error;
  if (!Number.isSafeInteger(code) || typeof code !== "number") {
    refuse('"error.code" is not a whole number');
  }
  if (typeof message !== "string") refuse('"error.message" is not a text');
  if (data === undefined) return { code, message };
  if (!isObject(data)) refuse('"error.data" is not an object');
  return { code, message, data };
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
