import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  createSecretFile,
  readSecretFile,
  readTokenFile,
} from "../../lib/disk/secret_file.ts";
import { modeOf, withFolder } from "./testdata/folder.ts";

Deno.test("readSecretFile() gives what createSecretFile() was given", () =>
  withFolder(async (folder) => {
    const path = `${folder}/cluster.key`;
    assertEquals(await readSecretFile(path), undefined);
    await createSecretFile(path, "secret\n");
    assertEquals(await readSecretFile(path), "secret\n");
    assertEquals(await modeOf(path), "0600");
  }));

Deno.test("readSecretFile() refuses a file that others than its owner can use", () =>
  withFolder(async (folder) => {
    const path = `${folder}/cluster.key`;
    await createSecretFile(path, "secret");
    for (const mode of [0o604, 0o640, 0o620, 0o602, 0o610, 0o644, 0o777]) {
      await Deno.chmod(path, mode);
      const error = await assertRejects(
        () => readSecretFile(path),
        SwarmdError,
      );
      assertEquals(error.code, "disk");
      assertStringIncludes(error.message, `0${mode.toString(8)}`);
      assertEquals(error.hint, `Run: chmod 600 "${path}"`);
    }
    for (const mode of [0o600, 0o400, 0o700]) {
      await Deno.chmod(path, mode);
      assertEquals(await readSecretFile(path), "secret");
    }
  }));

Deno.test("readSecretFile() says damaged-state when the file is empty or huge", () =>
  withFolder(async (folder) => {
    const path = `${folder}/cluster.key`;
    for (const text of ["", " \n", "x".repeat(64 * 1024 + 1)]) {
      await Deno.writeTextFile(path, text, { mode: 0o600 });
      const error = await assertRejects(
        () => readSecretFile(path),
        SwarmdError,
      );
      assertEquals(error.code, "damaged-state");
    }
  }));

Deno.test("readTokenFile() gives the first line, trimmed", () =>
  withFolder(async (folder) => {
    const path = `${folder}/token`;
    const cases = ["T", "T\n", " T \r\n", "\uFEFFT\nsecond\n", "T\t\n\n"];
    for (const text of cases) {
      await Deno.writeTextFile(path, text);
      assertEquals(await readTokenFile(path), "T");
    }
  }));

Deno.test({
  name: "readTokenFile() says in words that the runtime opens no special file",
  permissions: { read: false },
  async fn() {
    const error = await assertRejects(() => readTokenFile("/x"), SwarmdError);
    assertEquals(
      [error.code, error.message],
      [
        "disk",
        'Cannot read "/x": the runtime opens no special file such as this one',
      ],
    );
  },
});

Deno.test("readTokenFile() reads a pipe", () =>
  withFolder(async (folder) => {
    const path = `${folder}/pipe`;
    assert(
      (await new Deno.Command("mkfifo", { args: [path] }).output()).success,
    );
    const [token] = await Promise.all([
      readTokenFile(path),
      Deno.writeTextFile(path, "T\n"),
    ]);
    assertEquals(token, "T");
  }));

Deno.test("readTokenFile() says what is wrong with the file, not what is in it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/token`;
    const cases = [
      { text: "", code: "token-malformed" },
      { text: "\nhunter2\n", code: "token-malformed" },
      { text: "hunter2".repeat(600), code: "token-malformed" },
      { text: undefined, code: "disk" },
    ];
    for (const { text, code } of cases) {
      if (text === undefined) await Deno.remove(path);
      else await Deno.writeTextFile(path, text);
      const error = await assertRejects(() => readTokenFile(path), SwarmdError);
      assertEquals(error.code, code);
      assertStringIncludes(error.message, path);
      assert(!error.message.includes("hunter2"));
    }
  }));
