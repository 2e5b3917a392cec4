import { type Bytes, fromUtf8 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { errorBody, httpStatus } from "./status.ts";

/**
 * A request of the operator of this machine; of anybody, where it comes over TLS
 * (`RemoteRequest` of the manager), with GET alone.
 */
export interface LocalRequest {
  readonly method: string;
  /** Normalised, beginning with `/`, without the query. */
  readonly path: string;
  /** JSON, of what is to be done. */
  readonly body?: Bytes;
}

/** Its answer: JSON. */
export interface LocalAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A value that is JSON already: a long one is written in parts. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Gives the value that a path stands for, or `undefined` when there is none. */
export type Route = (path: string) => unknown;

/** Does something, and gives what came of it. It checks what it is given. */
export type Action = (body: unknown) => unknown;

/** What can be done, by path. */
export type Actions = Readonly<Record<string, Action>>;

/**
 * Answers a GET with what its route gives, a POST with what its action gives,
 * and every error as an ErrorBody.
 */
export async function answerLocally(
  request: LocalRequest,
  route: Route,
  actions: Actions = {},
): Promise<LocalAnswer> {
  try {
    return json(200, await answerTo(request, { route, actions }));
  } catch (error) {
    if (!(error instanceof SwarmdError)) throw error;
    return json(httpStatus(error.code), errorBody(error));
  }
}

async function answerTo(
  { method, path, body }: LocalRequest,
  { route, actions }: { readonly route: Route; readonly actions: Actions },
): Promise<unknown> {
  if (method === "POST" && Object.hasOwn(actions, path)) {
    return await actions[path]?.(parse(body)) ?? {};
  }
  if (method !== "GET") {
    throw new SwarmdError("usage", `Cannot ${method} ${path}: want GET`);
  }
  const value = await route(path);
  if (value !== undefined) return value;
  throw new SwarmdError("not-found", `Nothing is at ${path}`);
}

function parse(body: Bytes | undefined): unknown {
  try {
    return JSON.parse(fromUtf8(body ?? new Uint8Array()));
  } catch (cause) {
    // Of JSON, and of UTF-8.
    const malformed = cause instanceof SyntaxError ||
      cause instanceof TypeError;
    if (!malformed) throw cause;
    throw new SwarmdError("usage", "Cannot read the request: want JSON");
  }
}

function json(status: number, value: unknown): LocalAnswer {
  const headers = { "content-type": "application/json" };
  const body = value instanceof JsonText ? value.text : JSON.stringify(value);
  return { status, headers, body };
}
