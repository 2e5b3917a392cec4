import type { Server } from "node:http";
import { type Bytes, concat, fromUtf8, utf8 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { SECOND } from "../base/time.ts";
import { Deadline } from "./deadline.ts";
import { answerHttp, type HttpHandler, httpLimits } from "./http.ts";
import { systemClock } from "./system.ts";
import { errnoOf } from "./tls_errors.ts";

/** Largest response, in bytes: a list of all nodes is the longest. */
const MAX_RESPONSE = 64 * 1024 * 1024;
const REQUEST_MS = 30 * SECOND;
/** Its folder's bits for others than the owner that let them replace it. */
const WRITABLE_BY_OTHERS = 0o022;

/** How a local socket is served. */
export interface UnixServerOptions {
  readonly handler: HttpHandler;
  readonly logger: Logger;
}

/** A local socket that is being served. */
export interface UnixServer {
  /** Stops, ends open requests, and removes the socket. */
  close(): Promise<void>;
}

/**
 * Serves HTTP on a unix socket that only its owner may use. Makes its folder,
 * mode 0700, and removes a socket that nobody answers on.
 *
 * @throws {SwarmdError} `locked-directory` when somebody answers on it, `disk`
 * when others may write to its folder, or it cannot be made
 */
export async function serveUnix(
  path: string,
  options: UnixServerOptions,
): Promise<UnixServer> {
  try {
    await prepareFolder(path);
    await removeStale(path);
    const server = await listen(path, options);
    await Deno.chmod(path, 0o600);
    return { close: () => closeServer(server) };
  } catch (cause) {
    if (cause instanceof SwarmdError) throw cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    throw cannotServe(path, { code: "disk", found: text, cause });
  }
}

async function prepareFolder(path: string): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const { mode } = await Deno.stat(folder);
  if (((mode ?? 0) & WRITABLE_BY_OTHERS) === 0) return;
  throw cannotServe(path, {
    code: "disk",
    found: "others may write to its folder",
  });
}

async function removeStale(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch(ifNotFound);
  if (!info) return;
  if (!info.isSocket) {
    throw cannotServe(path, { code: "disk", found: "it is not a socket" });
  }
  if (await answers(path)) {
    throw cannotServe(path, {
      code: "locked-directory",
      found: "another process serves it",
    });
  }
  await Deno.remove(path);
}

async function answers(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    if (errnoOf(error) === "ECONNREFUSED") return false;
    throw error;
  }
}

function ifNotFound(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound) return undefined;
  throw error;
}

async function listen(
  path: string,
  { handler, logger }: UnixServerOptions,
): Promise<Server> {
  // Loaded when it is used: who only asks starts 20 ms sooner
  const [{ createServer }, net] = await Promise.all([
    import("node:http"),
    import("node:net"),
  ]);
  const server = createServer(httpLimits(), (message, response) => {
    void answerHttp(message, response, { handler, logger });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // http.Server has a listen of its own, as Deno.serve has, which lets the
    // environment variable DENO_SERVE_ADDRESS put this on a TCP port.
    net.Server.prototype.listen.call(server, { path }, resolve);
  });
  return server;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

interface Failure {
  readonly code: "disk" | "locked-directory";
  readonly found: string;
  readonly cause?: unknown;
}

function cannotServe(path: string, { code, found, cause }: Failure) {
  return new SwarmdError(code, `Cannot serve socket "${path}": ${found}`, {
    verdict: "stop",
    cause,
  });
}

/** A request to the manager on this machine. */
export interface UnixRequest {
  readonly method: string;
  /** With the query, if any; percent-encoded. */
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  /** For the whole exchange, in milliseconds. Default: 30 s. */
  readonly timeoutMs?: number;
}

/** What it answered. */
export interface UnixResponse {
  readonly status: number;
  readonly body: string;
}

/**
 * Asks over a unix socket. HTTP/1.1 by hand, since every command of the operator
 * waits for it: 3 ms, where the runtime's `fetch` takes 20 to 50 (measured).
 *
 * @throws {SwarmdError} `unreachable` when nobody serves the socket or the
 * answer breaks off, `timed-out`, `bad-message` when it is not HTTP
 */
export async function unixRequest(
  socketPath: string,
  request: UnixRequest,
): Promise<UnixResponse> {
  const { path, timeoutMs = REQUEST_MS } = request;
  if (!/^\/\S*$/.test(path)) throw new TypeError(`Cannot ask for "${path}"`);
  using deadline = new Deadline({
    clock: systemClock,
    timeoutMs,
    timedOut: () =>
      cannotAsk(socketPath, {
        code: "timed-out",
        found: `no answer in ${timeoutMs} ms`,
      }),
  });
  try {
    const opening = Deno.connect({ transport: "unix", path: socketPath });
    using connection = await deadline.run(opening, (late) => late.close());
    return parseResponse(await deadline.run(exchange(connection, request)));
  } catch (cause) {
    if (cause instanceof SwarmdError) throw cause;
    throw unreachable(socketPath, cause);
  }
}

async function exchange(
  connection: Deno.Conn,
  { method, path, body = "" }: UnixRequest,
): Promise<Bytes> {
  const content = utf8(body);
  const head = [
    `${method} ${path} HTTP/1.1`,
    "host: localhost",
    "connection: close",
    "content-type: application/json",
    `content-length: ${content.length}`,
  ];
  await writeAll(
    connection,
    concat(utf8(`${head.join("\r\n")}\r\n\r\n`), content),
  );
  return await readAll(connection);
}

async function writeAll(connection: Deno.Conn, bytes: Bytes): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
}

async function readAll(connection: Deno.Conn): Promise<Bytes> {
  const parts: Bytes[] = [];
  const buffer = new Uint8Array(64 * 1024);
  let left = MAX_RESPONSE;
  for (;;) {
    const length = await connection.read(buffer);
    if (length === null) return concat(...parts);
    left -= length;
    if (left < 0) throw badAnswer(`more than ${MAX_RESPONSE} bytes`);
    parts.push(buffer.slice(0, length));
  }
}

/** Our own server's form: a length, and no chunks (RFC 9112 §6). */
const HEAD_REGEXP =
  /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*?content-length: (\d{1,9})\r\n(?:[^\r\n]+\r\n)*\r\n/i;

function parseResponse(bytes: Bytes): UnixResponse {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 64 * 1024));
  const [head, status, length] = HEAD_REGEXP.exec(start) ?? [];
  if (head === undefined) {
    throw bytes.length === 0
      ? new Error("it closed the connection")
      : badAnswer("it is not HTTP with a length");
  }
  const body = bytes.subarray(head.length);
  if (body.length !== Number(length)) throw new Error("the answer broke off");
  return { status: Number(status), body: fromUtf8(body) };
}

function badAnswer(found: string): SwarmdError {
  return new SwarmdError(
    "bad-message",
    `Cannot read the manager's answer: ${found}`,
  );
}

function unreachable(path: string, cause: unknown): SwarmdError {
  const found = {
    ENOENT: "no such socket",
    ECONNREFUSED: "nobody serves it",
    EACCES: "permission denied",
    EPERM: "permission denied",
  }[errnoOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
  return cannotAsk(path, { code: "unreachable", found, cause });
}

function cannotAsk(
  path: string,
  { code, found, cause }: {
    readonly code: "unreachable" | "timed-out";
    readonly found: string;
    readonly cause?: unknown;
  },
): SwarmdError {
  return new SwarmdError(
    code,
    `Cannot ask the manager at "${path}": ${found}`,
    { cause, hint: "Is the manager running, and is this its user?" },
  );
}
