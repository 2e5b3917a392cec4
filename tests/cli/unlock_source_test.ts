import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  resolveUnlockKey,
  unlockKeyAtHand,
} from "../../lib/cli/unlock_source.ts";
import { FakeHost } from "./fake_host.ts";

async function withFolder(test: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "swarmd-unlock-" });
  try {
    await Deno.writeTextFile(`${folder}/given`, "from the file\nmore\n");
    await Deno.writeTextFile(`${folder}/named`, "from the environment");
    await Deno.writeTextFile(`${folder}/swarmd-unlock-key`, " credential ");
    await Deno.writeTextFile(`${folder}/empty`, "\n");
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("resolveUnlockKey() takes the first source that there is", async () => {
  await withFolder(async (folder) => {
    const named = { SWARMD_UNLOCK_KEY_FILE: `${folder}/named` };
    const credential = { CREDENTIALS_DIRECTORY: folder };
    const input = " piped ";
    const answer = "typed";
    const all = { env: { ...named, ...credential }, input, answer };
    const cases = [
      [`${folder}/given`, all, "from the file"],
      [undefined, all, "from the environment"],
      [undefined, { ...all, env: credential }, "credential"],
      [undefined, { input, answer }, "piped"],
      [undefined, { answer }, "typed"],
      [undefined, {
        answer,
        env: { CREDENTIALS_DIRECTORY: `${folder}/none` },
      }, "typed"],
    ] as const;
    for (const [file, world, wanted] of cases) {
      assertEquals(await resolveUnlockKey(file, new FakeHost(world)), wanted);
    }
  });
});

Deno.test("resolveUnlockKey() refuses what holds none", async () => {
  await withFolder(async (folder) => {
    const cases = [
      [`${folder}/none`, {}, "disk"],
      [`${folder}/empty`, {}, "unlock-refused"],
      [undefined, {}, "usage"],
      [undefined, { input: "" }, "usage"],
      [undefined, { answer: " " }, "usage"],
    ] as const;
    for (const [file, world, code] of cases) {
      const error = await assertRejects(
        () => resolveUnlockKey(file, new FakeHost(world)),
        SwarmdError,
      );
      assertEquals(error.code, code);
    }
  });
});

Deno.test("unlockKeyAtHand() finds nothing where nothing is named", async () => {
  const { env } = new FakeHost();
  assertEquals(await unlockKeyAtHand(env), undefined);
});
