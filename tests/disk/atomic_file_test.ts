import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  createPrivateFile,
  removeLeftovers,
  syncFolder,
  temporaryPath,
  writePrivateFile,
} from "../../lib/disk/atomic_file.ts";
import { childCommand } from "./testdata/child.ts";
import { modeOf, namesIn, withFolder } from "./testdata/folder.ts";

Deno.test("writePrivateFile() makes a file of mode 0600, then replaces it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/file`;
    await writePrivateFile(path, "one");
    assertEquals(await Deno.readTextFile(path), "one");
    await Deno.chmod(path, 0o666);
    await writePrivateFile(path, new Uint8Array([0, 255]));
    assertEquals(await Deno.readFile(path), new Uint8Array([0, 255]));
    assertEquals(await modeOf(path), "0600");
    assertEquals(await namesIn(folder), ["file"]);
  }));

Deno.test("writeNewFile() gives the exact mode under any umask", () =>
  withFolder(async (folder) => {
    for (const mask of ["000", "022", "077", "177"]) {
      const path = `${folder}/${mask}`;
      await Deno.mkdir(path);
      // The umask belongs to the process, so the test's own is left alone.
      const script = `umask ${mask}; exec "$@"`;
      for (const action of ["createSecret", "saveState"]) {
        const args = ["-c", script, "sh", ...childCommand(path, action)];
        assert((await new Deno.Command("sh", { args }).output()).success);
      }
      assertEquals(await modeOf(`${path}/cluster.key`), "0600");
      assertEquals(await modeOf(`${path}/state.json`), "0600");
    }
  }));

Deno.test("writePrivateFile() keeps who reads the old file on the old content", () =>
  withFolder(async (folder) => {
    const path = `${folder}/file`;
    await writePrivateFile(path, "old content");
    using reader = await Deno.open(path);
    await writePrivateFile(path, "new");
    const buffer = new Uint8Array(64);
    const count = await reader.read(buffer) ?? 0;
    assertEquals(
      new TextDecoder().decode(buffer.subarray(0, count)),
      "old content",
    );
  }));

Deno.test("writePrivateFile() writes a large file whole", () =>
  withFolder(async (folder) => {
    const data = new Uint8Array(5_000_000).map((_, i) => i % 251);
    await writePrivateFile(`${folder}/file`, data);
    assertEquals((await Deno.readFile(`${folder}/file`)).length, data.length);
    assert(
      (await Deno.readFile(`${folder}/file`)).every((b, i) => b === i % 251),
    );
  }));

Deno.test("writePrivateFile() names path and reason and leaves nothing when it fails", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/taken`);
    await Deno.mkdir(`${folder}/taken/inside`);
    const cases = [
      {
        path: `${folder}/missing/file`,
        errno: "ENOENT",
        text: "no such file or directory",
      },
      { path: `${folder}/taken`, errno: "EISDIR", text: "is a directory" },
    ];
    for (const { path, errno, text } of cases) {
      const error = await assertRejects(
        () => writePrivateFile(path, "x"),
        SwarmdError,
      );
      assertEquals(error.code, "disk");
      assertEquals(error.data, { path, errno });
      assertStringIncludes(error.message, `"${path}"`);
      assertStringIncludes(error.message, text);
      assertInstanceOf(error.cause, Error);
    }
    assertEquals(await namesIn(folder), ["taken"]);
  }));

Deno.test("createPrivateFile() never replaces, and leaves nothing behind", () =>
  withFolder(async (folder) => {
    const path = `${folder}/file`;
    await createPrivateFile(path, "first");
    const error = await assertRejects(
      () => createPrivateFile(path, "second"),
      SwarmdError,
    );
    assertEquals(error.code, "disk");
    assertInstanceOf(error.cause, Deno.errors.AlreadyExists);
    assertEquals(await Deno.readTextFile(path), "first");
    assertEquals(await modeOf(path), "0600");
    assertEquals(await namesIn(folder), ["file"]);
  }));

Deno.test("createPrivateFile() lets exactly one of many win", () =>
  withFolder(async (folder) => {
    const path = `${folder}/file`;
    const tries = Array.from(
      { length: 20 },
      (_, i) => createPrivateFile(path, `${i}`).then(() => `${i}`),
    );
    const won = (await Promise.allSettled(tries))
      .flatMap((result) => result.status === "fulfilled" ? result.value : []);
    assertEquals(won, [await Deno.readTextFile(path)]);
    assertEquals(await namesIn(folder), ["file"]);
  }));

Deno.test("removeLeftovers() removes temporary files and folders and nothing else", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(temporaryPath(folder), "half");
    await Deno.mkdir(`${temporaryPath(folder)}/deep`, { recursive: true });
    await Deno.symlink("nowhere", temporaryPath(folder));
    await Deno.writeTextFile(`${folder}/state.json`, "{}");
    await removeLeftovers(folder);
    assertEquals(await namesIn(folder), ["state.json"]);
    await removeLeftovers(`${folder}/missing`);
  }));

Deno.test("syncFolder() rejects when there is no such folder", () =>
  withFolder(async (folder) => {
    await syncFolder(folder);
    await assertRejects(
      () => syncFolder(`${folder}/missing`),
      Deno.errors.NotFound,
    );
  }));
