import { SwarmdError, type Verdict } from "../base/errors.ts";
import { SECOND } from "../base/time.ts";
import type { ErrorBody } from "../cluster/local_api.ts";
import { defaultRuntimeDirectory, socketPath } from "../disk/socket_path.ts";
import { unixRequest, type UnixResponse } from "../net/unix_http.ts";
import type { Host } from "./command.ts";
import { EXIT_OF } from "./exit_codes.ts";

/** The local node answers from memory; one that takes longer is stuck. */
const TIMEOUT_MS = 10 * SECOND;
/** What changes something may ask a whole fleet, or an authority elsewhere. */
const ACTION_TIMEOUT_MS = 60 * SECOND;

/** Asks the node that runs on this machine. */
export interface LocalClient {
  /**
   * The answer to a GET, as docs/protocol.md describes it.
   *
   * @throws {SwarmdError} what the node answered; `not-initialised` without a
   * state directory; `unreachable` or `timed-out` when no process answers
   */
  get<T>(path: string): Promise<T>;
  /** The same for a POST, which changes something. */
  post<T>(path: string, body: unknown): Promise<T>;
}

/** A client of the node whose state directory this is. */
export function localClient(
  stateDir: string,
  host: Pick<Host, "env" | "uid">,
): LocalClient {
  const exchange = async (question: Question) => {
    await requireDirectory(stateDir);
    const runtimeDir = defaultRuntimeDirectory(host.env, host.uid());
    const socket = await socketPath(stateDir, runtimeDir);
    return readAnswer(await ask(socket, { ...question, stateDir }));
  };
  return {
    get: async <T>(path: string) =>
      await exchange({ method: "GET", path }) as T,
    post: async <T>(path: string, body: unknown) =>
      await exchange({
        method: "POST",
        path,
        timeoutMs: ACTION_TIMEOUT_MS,
        body: JSON.stringify(body),
      }) as T,
  };
}

interface Question {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  /** Default: 10 s. */
  readonly timeoutMs?: number;
}

async function requireDirectory(stateDir: string): Promise<void> {
  try {
    await Deno.stat(stateDir);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) return;
    throw new SwarmdError(
      "not-initialised",
      `Cannot ask the local node: there is no state directory "${stateDir}"`,
      {
        verdict: "stop",
        hint:
          "Name the node's directory with --state-dir, or begin with `swarmd manager init` or `swarmd worker join`",
      },
    );
  }
}

async function ask(
  socket: string,
  { stateDir, ...question }: Question & { readonly stateDir: string },
): Promise<UnixResponse> {
  try {
    return await unixRequest(socket, { timeoutMs: TIMEOUT_MS, ...question });
  } catch (cause) {
    if (!(cause instanceof SwarmdError) || !isNobody(cause.cause)) throw cause;
    throw new SwarmdError(
      "unreachable",
      `Cannot ask the local node: no process serves "${stateDir}"`,
      {
        hint:
          "Start it with `swarmd manager run` or `swarmd worker run`, or name another directory with --state-dir",
        data: { socket },
      },
    );
  }
}

function isNobody(cause: unknown): boolean {
  return cause instanceof Deno.errors.NotFound ||
    cause instanceof Deno.errors.ConnectionRefused;
}

function readAnswer({ status, body }: UnixResponse): unknown {
  const value = parseJson(body);
  if (status >= 200 && status < 300 && value !== undefined) return value;
  throw refusalOf(value) ?? new SwarmdError(
    "bad-message",
    `Cannot read the answer of the local node: found status ${status} and ${body.length} characters, want JSON`,
    { hint: "Is the node of the same version? Compare `swarmd version`" },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller says what it found in its place.
    return undefined;
  }
}

/** The error in an answer; a code of a newer version counts as `internal`. */
function refusalOf(value: unknown): SwarmdError | undefined {
  if (!hasError(value)) return undefined;
  const { code, message, hint, verdict, data } = value.error;
  const known = Object.hasOwn(EXIT_OF, code);
  return new SwarmdError(known ? code : "internal", message, {
    verdict: isVerdict(verdict) ? verdict : "stop",
    ...(typeof hint === "string" ? { hint } : {}),
    ...(known ? {} : { data: { ...data, wireCode: code } }),
    ...(known && data ? { data } : {}),
  });
}

function hasError(value: unknown): value is ErrorBody {
  if (typeof value !== "object" || value === null) return false;
  const { error } = value as Partial<Record<"error", unknown>>;
  if (typeof error !== "object" || error === null) return false;
  const { code, message } = error as Partial<Record<string, unknown>>;
  return typeof code === "string" && typeof message === "string";
}

function isVerdict(value: unknown): value is Verdict {
  return value === "retry" || value === "rejoin" || value === "stop";
}
