import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { refuseUsed } from "../../lib/cli/manager_directory.ts";

async function hintWith(names: readonly string[]): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "swarmd-" });
  try {
    for (const name of names) await Deno.writeTextFile(`${folder}/${name}`, "");
    const error = await assertRejects(() => refuseUsed(folder), SwarmdError);
    assertEquals(error.code, "already-initialised");
    return error.hint?.split(", or name an empty")[0] ?? "";
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("refuseUsed() says what to do with what is there", async () => {
  const serve = "Serve what is there with `swarmd manager run`";
  const again =
    "If `swarmd manager init` was interrupted here, delete these and run it again; if a cluster was, serve it with `swarmd manager run`";
  const cases: readonly [readonly string[], string][] = [
    [["cluster.key"], again],
    [["cluster.key", "swarmd.db"], again],
    [["cluster.key", "identities", "swarmd.db"], serve],
    [["swarmd.db"], serve],
    [
      ["identities", "state.json"],
      "It is a worker's: go on there with `swarmd worker run`",
    ],
    [
      ["next.key.json"],
      "A join was begun here: go on with `swarmd worker join`, or delete these",
    ],
  ];
  for (const [names, hint] of cases) {
    assertEquals(await hintWith(names), hint, names.join());
  }
});

Deno.test("refuseUsed() lets an empty directory be used, and one that is not there", async () => {
  const folder = await Deno.makeTempDir({ prefix: "swarmd-" });
  await refuseUsed(folder);
  await Deno.remove(folder);
  await refuseUsed(folder);
});
