import { SwarmdError } from "../base/errors.ts";
import { errorBody, httpStatus } from "./status.ts";

/** A request of an operator on this machine. */
export interface LocalRequest {
  readonly method: string;
  /** Normalised, beginning with `/`, without the query. */
  readonly path: string;
}

/** Its answer: JSON. */
export interface LocalAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Gives the value that a path stands for, or `undefined` when there is none. */
export type Route = (path: string) => unknown;

/** Answers a GET with what its route gives, and every error as an ErrorBody. */
export async function answerLocally(
  request: LocalRequest,
  route: Route,
): Promise<LocalAnswer> {
  try {
    if (request.method !== "GET") {
      throw new SwarmdError("usage", `Cannot ${request.method}: want GET`);
    }
    const value = await route(request.path);
    if (value !== undefined) return json(200, value);
    throw new SwarmdError("not-found", `Nothing is at ${request.path}`);
  } catch (error) {
    if (!(error instanceof SwarmdError)) throw error;
    return json(httpStatus(error.code), errorBody(error));
  }
}

function json(status: number, value: unknown): LocalAnswer {
  const headers = { "content-type": "application/json" };
  return { status, headers, body: JSON.stringify(value) };
}
