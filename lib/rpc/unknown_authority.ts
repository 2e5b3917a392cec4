import { SwarmdError } from "../base/errors.ts";

/** In the data of a `tls` error: the peer's chain leads to no trusted root. */
export const UNKNOWN_AUTHORITY = { authority: "unknown" } as const;

/** Whether a dial failed because no trusted root leads to the peer. */
export function isUnknownAuthority(error: unknown): boolean {
  return error instanceof SwarmdError &&
    error.data["authority"] === UNKNOWN_AUTHORITY.authority;
}
