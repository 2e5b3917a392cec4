import { SwarmdError } from "../base/errors.ts";

const DISK_FULL = {
  found: "the disk is full",
  hint: "Free space or inodes on that file system",
};

const SPECIAL_FILE = {
  found: "the runtime opens no special file such as this one",
  hint: "Use a regular file or a named pipe",
};

/**
 * What a failed disk operation becomes: a `disk` error that names the path and
 * the reason, with the system's error as cause. A SwarmdError stays as it is.
 *
 * @param attempt what was attempted, such as `write`
 */
export function diskError(
  attempt: string,
  path: string,
  { cause }: { readonly cause: unknown },
): SwarmdError {
  if (cause instanceof SwarmdError) return cause;
  const errno = errnoOf(cause);
  const { found, ...more } = known(cause, errno) ??
    { found: systemText(cause) };
  return new SwarmdError("disk", `Cannot ${attempt} "${path}": ${found}`, {
    ...more,
    data: { path, errno },
    cause,
  });
}

/** The runtime's own text of what it does not permit names flags of its own. */
function known(cause: unknown, errno: string) {
  if (errno === "ENOSPC") return DISK_FULL;
  return cause instanceof Deno.errors.NotCapable ? SPECIAL_FILE : undefined;
}

/** The error for a file of the state directory that cannot be understood. */
export function damagedState(
  path: string,
  found: string,
  { hint = "Restore the file from a backup" }: { readonly hint?: string } = {},
): SwarmdError {
  return new SwarmdError("damaged-state", `Cannot read "${path}": ${found}`, {
    verdict: "stop",
    hint,
    data: { path },
  });
}

/** The system's name of an error; empty where the runtime knows none. */
function errnoOf(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error)) return "";
  return String(error.code ?? "");
}

/** Deno says `Disk quota exceeded (os error 122): open '/path'`. */
function systemText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const found = /^(.+) \(os error \d+\)/.exec(text)?.[1] ?? text;
  return found.charAt(0).toLowerCase() + found.slice(1);
}
