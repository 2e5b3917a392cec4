import type { IncomingMessage, ServerResponse } from "node:http";
import { type Bytes, concat, utf8 } from "../base/bytes.ts";
import { describeError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { SECOND } from "../base/time.ts";
import type { PeerFacts } from "../rpc/connection.ts";

/** Largest body of a request, in bytes. */
const MAX_BODY = 64 * 1024;

/** For a whole request, in milliseconds. */
const REQUEST_MS = 10 * SECOND;

/** For servers of `node:http`: nobody holds a connection by being slow. */
export function httpLimits(requestMs = REQUEST_MS) {
  return {
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: SECOND,
    /** Between requests. */
    keepAliveTimeout: 5 * SECOND,
    maxHeaderSize: 16 * 1024,
  };
}

/** One whole request. */
export interface HttpRequest {
  readonly method: string;
  /** Normalised and still percent-encoded, beginning with `/`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** At most 64 KiB. */
  readonly body: Bytes;
  /** What TLS saw of the client; absent on the local socket. */
  readonly facts?: PeerFacts;
}

/** One whole response. */
export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Bytes;
}

/** Answers requests. What it throws is logged and answered with 500. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>;

/** How a request is answered. */
export interface AnswerOptions {
  readonly handler: HttpHandler;
  readonly logger: Logger;
  readonly facts?: PeerFacts;
}

/** Reads a request of `node:http`, has it answered, and writes the answer. */
export async function answerHttp(
  message: IncomingMessage,
  response: ServerResponse,
  options: AnswerOptions,
): Promise<void> {
  const { logger } = options;
  let body: Bytes | undefined;
  try {
    body = await readBody(message);
  } catch (error) {
    // It went away or was too slow: there is nobody to answer
    logger.debug("HTTP request ended early", { reason: describeError(error) });
    return;
  }
  const answer = body === undefined
    ? { ...refusal(413, "the body is too large"), isLast: true }
    : await answerTo(message, { ...options, body });
  write(response, { isHead: message.method === "HEAD", ...answer });
}

/** `undefined` when it is too large. */
async function readBody(message: IncomingMessage): Promise<Bytes | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of message.iterator({ destroyOnReturn: false })) {
    length += part.length;
    if (length > MAX_BODY) return undefined;
    parts.push(part);
  }
  return concat(...parts);
}

async function answerTo(
  message: IncomingMessage,
  { handler, logger, body, facts }: AnswerOptions & { readonly body: Bytes },
): Promise<HttpResponse> {
  const target = message.url ?? "";
  // Anything else would let the client choose the host
  const url = target.startsWith("/")
    ? URL.parse(`http://localhost${target}`)
    : null;
  if (!url) return refusal(400, "the target is not a path");
  try {
    return await handler({
      // RFC 9110 §9.3.2: the same but for the body, which `write` leaves out
      method: message.method === "HEAD" ? "GET" : message.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: plainHeaders(message),
      body,
      ...(facts === undefined ? {} : { facts }),
    });
  } catch (error) {
    logger.error("HTTP handler failed", { reason: describeError(error) });
    return refusal(500, "internal error");
  }
}

function plainHeaders({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map((
      [name, value],
    ) => [name, Array.isArray(value) ? value.join(", ") : value ?? ""]),
  );
}

function refusal(status: number, text: string): HttpResponse {
  const headers = { "content-type": "text/plain; charset=utf-8" };
  return { status, headers, body: `${text}\n` };
}

interface Answer extends HttpResponse {
  readonly isHead: boolean;
  /** Whether the connection ends with it: the rest of the request is unread. */
  readonly isLast?: boolean;
}

function write(response: ServerResponse, answer: Answer): void {
  const { status, headers = {}, body = "", isHead, isLast = false } = answer;
  const bytes = typeof body === "string" ? utf8(body) : body;
  response.writeHead(status, {
    ...headers,
    // RFC 9110 §8.6: there it would be the length of what is not sent
    ...(status === 304 ? {} : { "content-length": String(bytes.length) }),
    ...(isLast ? { connection: "close" } : {}),
  });
  response.end(isHead ? undefined : bytes);
}
