import { SwarmdError } from "../base/errors.ts";
import type { Environment } from "../disk/state_directory.ts";
import { readUnlockKeyFile } from "../disk/secret_file.ts";
import type { Host } from "./command.ts";

/** What systemd calls the credential, see systemd.exec(5). */
const CREDENTIAL = "swarmd-unlock-key";

/**
 * The unlock key from the first place where it is: `--key-file`,
 * `SWARMD_UNLOCK_KEY_FILE`, systemd's credential, standard input, or a person
 * who is asked. Only looked at, not understood.
 *
 * @throws {SwarmdError} `usage` when there is none; `disk` or `unlock-refused`
 * as the file is
 */
export async function resolveUnlockKey(
  keyFile: string | undefined,
  host: Pick<Host, "env" | "askSecret" | "readInput">,
): Promise<string> {
  if (keyFile !== undefined) return await readUnlockKeyFile(keyFile);
  const found = await unlockKeyAtHand(host.env) ?? await host.readInput() ??
    host.askSecret("Unlock key:") ?? "";
  if (found.trim() !== "") return found.trim();
  throw new SwarmdError("usage", "Cannot unlock: found no unlock key", {
    verdict: "stop",
    hint: "Give --key-file FILE, pipe the key in, or run this in a terminal",
  });
}

/**
 * The unlock key that a manager finds by itself when it starts, if any.
 *
 * @throws {SwarmdError} `disk` or `unlock-refused` as the file is
 */
export async function unlockKeyAtHand(
  env: Environment,
): Promise<string | undefined> {
  const named = env("SWARMD_UNLOCK_KEY_FILE");
  if (named !== undefined) return await readUnlockKeyFile(named);
  const folder = env("CREDENTIALS_DIRECTORY");
  if (folder === undefined) return undefined;
  const path = `${folder}/${CREDENTIAL}`;
  return await isThere(path) ? await readUnlockKeyFile(path) : undefined;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
