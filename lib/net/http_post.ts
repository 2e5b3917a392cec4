import { type Bytes, concat, utf8 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import type { ClientCredentials, Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { Deadline } from "./deadline.ts";
import { type HttpAnswer, readAnswer } from "./http_answer.ts";
import { openVerified } from "./runtime_tls.ts";
import { tlsError } from "./tls_errors.ts";

/** Bytes that one read takes at most: a TLS record. */
const READ_BYTES = 16 * 1024;
/** For the head of an answer, in bytes. */
const MAX_HEAD_BYTES = 16 * 1024;

/** One request, and what bounds it. */
export interface HttpPost {
  /** `http:` or `https:`, without user name and password. */
  readonly url: URL;
  readonly body: Bytes;
  /** For look-up, TCP, TLS, request and answer together, in milliseconds. */
  readonly timeoutMs: number;
  /** Of the answer's body. */
  readonly maxBytes: number;
  /** For `https:`. */
  readonly credentials: ClientCredentials;
}

/**
 * Posts JSON over a connection of its own, of HTTP/1.1, and reads the whole
 * answer, of any status. Redirects are not followed. A server is verified by
 * the given roots alone, if `makeTrustStorePrivate` was called before.
 *
 * It is not `fetch`, which obeys HTTP_PROXY and HTTPS_PROXY whatever it is told
 * (Deno 2.9.6), so that a proxy of the environment would see the request; nor
 * `node:https`, which accepts forged certificates of version 1.
 *
 * @throws {SwarmdError} `unreachable`, `timed-out`, `clock-skew`, `tls`, and
 * `answer-refused` for an answer that is too long or not HTTP
 */
export async function postJson(
  clock: Clock,
  post: HttpPost,
): Promise<HttpAnswer> {
  const endpoint = endpointOf(post.url);
  const { timeoutMs } = post;
  using deadline = new Deadline({
    clock,
    timeoutMs,
    timedOut: () =>
      new SwarmdError(
        "timed-out",
        `Cannot ask ${formatEndpoint(endpoint)}: no answer in ${timeoutMs} ms`,
      ),
  });
  try {
    const opening = open(endpoint, post);
    const connection = await deadline.run(opening, (late) => late.close());
    using _closing = { [Symbol.dispose]: () => connection.close() };
    await deadline.run(writeAll(connection, requestOf(post)));
    const bytes = await deadline.run(readAll(connection, post.maxBytes));
    return readAnswer(bytes);
  } catch (error) {
    throw failure(error, endpoint);
  }
}

const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

function endpointOf(url: URL): Endpoint {
  const port = url.port === "" ? PORTS[url.protocol] : Number(url.port);
  if (port === undefined) {
    throw new TypeError(`Cannot post to a URL of protocol "${url.protocol}"`);
  }
  return { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port };
}

async function open(
  endpoint: Endpoint,
  { url, credentials }: HttpPost,
): Promise<Deno.Conn> {
  if (url.protocol === "http:") {
    return await Deno.connect({ hostname: endpoint.host, port: endpoint.port });
  }
  const tls = await openVerified({
    endpoint,
    credentials,
    serverName: endpoint.host,
    alpn: "http/1.1",
  });
  try {
    await tls.handshake();
  } catch (error) {
    tls.close();
    throw error;
  }
  return tls;
}

function requestOf({ url, body }: HttpPost): Bytes {
  const head = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
    "Connection: close",
    "",
    "",
  ];
  return concat(utf8(head.join("\r\n")), body);
}

async function writeAll(connection: Deno.Conn, bytes: Bytes): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
}

async function readAll(
  connection: Deno.Conn,
  maxBytes: number,
): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const part = await readPart(connection);
    if (part === undefined) return concat(...parts);
    length += part.length;
    if (length > maxBytes + MAX_HEAD_BYTES) {
      throw new SyntaxError(`an answer above ${maxBytes} bytes`);
    }
    parts.push(part);
  }
}

async function readPart(
  connection: Deno.Conn,
): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(READ_BYTES);
  try {
    const length = await connection.read(buffer);
    return length === null ? undefined : buffer.subarray(0, length);
  } catch (error) {
    // Some servers end without saying so. What was cut off is noticed by its
    // length.
    if (error instanceof Deno.errors.UnexpectedEof) return undefined;
    throw error;
  }
}

function failure(error: unknown, endpoint: Endpoint): SwarmdError {
  const what = "ask";
  if (!(error instanceof SyntaxError)) {
    return tlsError({ what, endpoint }, error);
  }
  return new SwarmdError(
    "answer-refused",
    `Cannot ask ${formatEndpoint(endpoint)}: found ${error.message}`,
    { cause: error },
  );
}
