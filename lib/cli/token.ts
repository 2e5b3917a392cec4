import { SwarmdError } from "../base/errors.ts";
import { readTokenFile } from "../disk/secret_file.ts";
import type { Host } from "./command.ts";

/** What was given on the command line. */
export interface TokenSources {
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
}

/** The runtime opens no such special file, so that these names are understood here. */
const STANDARD_INPUT = ["-", "/dev/stdin"];

/**
 * The join token from the one place where it is: `--token-file`, `--token`,
 * `SWARMD_TOKEN`, or a person who is asked. A file `-` or `/dev/stdin` is the
 * first line of standard input. Only looked at, not understood.
 *
 * @throws {SwarmdError} `usage` when there is none or there are two; `disk`,
 * `damaged-state` or `token-malformed` as the file is
 */
export async function resolveToken(
  { token, tokenFile }: TokenSources,
  host: Pick<Host, "env" | "askSecret" | "readInput">,
): Promise<string> {
  if (token !== undefined && tokenFile !== undefined) {
    throw new SwarmdError(
      "usage",
      "Cannot choose a join token: found --token and --token-file, want one",
      { verdict: "stop", hint: "Keep --token-file: `ps` shows --token to all" },
    );
  }
  const piped = tokenFile !== undefined && STANDARD_INPUT.includes(tokenFile);
  if (tokenFile !== undefined && !piped) return await readTokenFile(tokenFile);
  const given = piped
    ? await host.readInput()
    : token ?? host.env("SWARMD_TOKEN");
  const found = given ?? host.askSecret("Join token:") ?? "";
  if (found.trim() === "") throw noToken();
  return found.trim();
}

function noToken(): SwarmdError {
  return new SwarmdError("usage", "Cannot join: found no join token", {
    verdict: "stop",
    hint:
      "Put it in a file and give --token-file FILE, or set SWARMD_TOKEN; `swarmd token show worker` on a manager shows it",
  });
}
