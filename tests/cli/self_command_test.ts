import { assert, assertEquals } from "@std/assert";
import { RUNTIME_FLAGS } from "../../lib/cli/runtime_flags.ts";
import { programForm, selfCommand } from "../../lib/cli/self_command.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { CACHE } from "./runtime_cache.ts";
import config from "../../deno.json" with { type: "json" };

const MAIN = new URL("../../main.ts", import.meta.url).href;
const none = () => undefined;
const portable = (name: string) =>
  name === "SWARMD_SELF" ? "/opt/swarmd" : undefined;

Deno.test("selfCommand() starts the portable form by its file", () => {
  assertEquals(selfCommand(portable, MAIN), { file: "/opt/swarmd", args: [] });
  assertEquals([portable, none].map(programForm), ["portable", "source"]);
});

Deno.test("selfCommand() starts the source by the runtime, with the program's permissions", async () => {
  const { file, args } = selfCommand(none, MAIN);
  assertEquals(args, ["run", "--no-prompt", ...RUNTIME_FLAGS, MAIN]);
  const folder = await Deno.makeTempDir();
  try {
    const started = new Deno.Command(file, {
      args: [...args, "version", "--json"],
      cwd: folder,
      clearEnv: true,
      env: CACHE,
    });
    const { code, stdout } = await started.output();
    assertEquals(code, 0);
    const told = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals([told.version, told.form], [VERSION, "source"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("RUNTIME_FLAGS name no right to start processes or to load native code", () => {
  for (const each of RUNTIME_FLAGS) {
    assert(!/^(?:-A|--allow-(?:all|run|ffi|import))/.test(each), each);
  }
});

Deno.test("VERSION is what deno.json says", () => {
  assertEquals(VERSION, config.version);
});
