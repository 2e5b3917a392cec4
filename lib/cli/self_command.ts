import type { Environment } from "../disk/state_directory.ts";
import { RUNTIME_FLAGS } from "./runtime_flags.ts";

/** How a program is started: its file, and what goes before its arguments. */
export interface SelfCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/** In which form the program runs. */
export type ProgramForm = "portable" | "compiled" | "source";

/** In which form this program runs. */
export function programForm(env: Environment): ProgramForm {
  if (env("SWARMD_SELF") !== undefined) return "portable";
  return Deno.build.standalone ? "compiled" : "source";
}

/**
 * How this program starts itself anew, for `drill`: by its one file where it
 * is one, else by the runtime, with the permissions that it needs.
 *
 * @param mainModule URL of the file that was started from source
 */
export function selfCommand(env: Environment, mainModule: string): SelfCommand {
  const portable = env("SWARMD_SELF");
  if (portable !== undefined) return { file: portable, args: [] };
  if (Deno.build.standalone) return { file: Deno.execPath(), args: [] };
  return {
    file: Deno.execPath(),
    args: ["run", "--no-prompt", ...RUNTIME_FLAGS, mainModule],
  };
}
