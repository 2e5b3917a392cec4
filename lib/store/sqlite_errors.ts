import { type ErrorCode, SwarmdError } from "../base/errors.ts";

// Primary result codes, https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** Where and at what the store failed. */
export interface StoreFailure {
  readonly attempt: "open" | "read";
  readonly path: string;
}

/**
 * Says what an error of SQLite or of the system means for the store. Anything
 * else is a mistake in the program, and stays what it is.
 */
export function storeError(error: unknown, failure: StoreFailure): unknown {
  const known = error instanceof Error && "code" in error;
  if (!known || error instanceof SwarmdError) return error;
  const { code, hint } = meaningOf(error);
  return new SwarmdError(
    code,
    `Cannot ${failure.attempt} the store "${failure.path}"`,
    {
      verdict: code === "damaged-state" ? "stop" : "retry",
      hint,
      data: { path: failure.path },
      cause: error,
    },
  );
}

/** A row or a table that does not say what was written. */
export function damaged(path: string, what: string): SwarmdError {
  return new SwarmdError(
    "damaged-state",
    `Cannot read the store "${path}": ${what}`,
    { verdict: "stop", hint: DAMAGED_HINT, data: { path } },
  );
}

/** A commit that failed, whatever the reason. */
export function unwritten(path: string, cause: unknown): SwarmdError {
  return new SwarmdError("disk", `Cannot write to the store "${path}"`, {
    hint: DISK_HINT,
    data: { path },
    cause,
  });
}

const DISK_HINT = "Check free space, permissions and the health of the disk";
const DAMAGED_HINT = "Restore the state directory from a backup";

function meaningOf(error: Error): { code: ErrorCode; hint: string } {
  // The low byte: the rest of an extended code says more than we need.
  switch (errcodeOf(error) & 0xff) {
    case SQLITE_BUSY:
      return {
        code: "locked-directory",
        hint: "Stop the other program that has it open",
      };
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return { code: "damaged-state", hint: DAMAGED_HINT };
    default:
      return { code: "disk", hint: DISK_HINT };
  }
}

function errcodeOf(error: Error): number {
  return "errcode" in error ? Number(error.errcode) : 0;
}
