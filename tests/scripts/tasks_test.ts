import { assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { RUNTIME_FLAGS } from "../../lib/cli/runtime_flags.ts";
import { VERSION } from "../../lib/cli/version.ts";

const RUN = `deno run --no-prompt ${RUNTIME_FLAGS.join(" ")}`;

Deno.test("deno.json gives the program its permissions and no more", () => {
  assertEquals(config.tasks.swarmd.command, `${RUN} main.ts`);
  assertEquals(config.tasks.drill.command, `${RUN} --allow-run main.ts drill`);
});

Deno.test("deno.json has the version that the program tells", () => {
  assertEquals(config.version, VERSION);
});

Deno.test("deno.json pins each package to one version", () => {
  for (const [name, target] of Object.entries(config.imports)) {
    assertMatch(target, /^(?:npm:.*@\d+\.\d+\.\d+|jsr:@std\/)/, name);
  }
});
