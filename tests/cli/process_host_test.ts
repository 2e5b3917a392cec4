import { assertEquals } from "@std/assert";
import { processEnvironment } from "../../lib/cli/environment.ts";

const CHILD = new URL("testdata/host_child.ts", import.meta.url).pathname;

async function child(arg: string) {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", CHILD, arg],
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

Deno.test("uncaughtFailure() tells what nobody caught, in the program's own words", async () => {
  for (
    const [arg, text] of [
      ["reject", "nobody awaits this"],
      ["throw", "nobody catches this"],
    ] as const
  ) {
    assertEquals(await child(arg), {
      code: 1,
      stdout: "",
      stderr:
        `swarmd: error: internal: ${text}\nswarmd: hint: This is a mistake in swarmd: please report it with what --log-level debug shows\n`,
    });
  }
});

Deno.test("dropRights() leaves only the drill the right to start processes", async () => {
  const states = await Promise.all(
    ["node ls", "worker run", "drill"].map(child),
  );
  assertEquals(
    states.map(({ stdout }) => stdout),
    ["given up\n", "given up\n", "granted\n"],
  );
});

Deno.test("processEnvironment() takes empty variables as absent and looks at no others", () => {
  const before = Deno.env.get("SWARMD_TOKEN");
  try {
    Deno.env.set("SWARMD_TOKEN", "value");
    assertEquals(processEnvironment("SWARMD_TOKEN"), "value");
    Deno.env.set("SWARMD_TOKEN", "");
    assertEquals(processEnvironment("SWARMD_TOKEN"), undefined);
    assertEquals(processEnvironment("PATH"), undefined);
  } finally {
    if (before === undefined) Deno.env.delete("SWARMD_TOKEN");
    else Deno.env.set("SWARMD_TOKEN", before);
  }
});
