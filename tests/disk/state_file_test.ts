import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describeError, SwarmdError } from "../../lib/base/errors.ts";
import {
  MAX_STATE_BYTES,
  readStateFile,
  writeStateFile,
} from "../../lib/disk/state_file.ts";
import { modeOf, namesIn, withFolder } from "./testdata/folder.ts";

Deno.test("readStateFile() gives what writeStateFile() was given", () =>
  withFolder(async (folder) => {
    const path = `${folder}/state.json`;
    assertEquals(await readStateFile(path), undefined);
    for (const value of [{ a: [1, "é", null] }, [], "text", 0, false, null]) {
      await writeStateFile(path, value);
      assertEquals(await readStateFile(path), value);
    }
    assertEquals(await modeOf(path), "0600");
    assertEquals(await namesIn(folder), ["state.json"]);
  }));

Deno.test("readStateFile() says damaged-state, where, and what to do, but not the content", () =>
  withFolder(async (folder) => {
    const path = `${folder}/state.json`;
    const huge = `"${"x".repeat(MAX_STATE_BYTES)}"`;
    for (const text of ["", "{", "hunter2", "{}{}", "\0\0\0\0", huge]) {
      await Deno.writeTextFile(path, text);
      const error = await assertRejects(() => readStateFile(path), SwarmdError);
      assertEquals(error.code, "damaged-state");
      assertEquals(error.verdict, "stop");
      assertStringIncludes(error.message, path);
      assert(error.hint?.includes("backup"), error.message);
      assert(!describeError(error).includes("hunter2"));
    }
  }));

Deno.test("readStateFile() says disk when the path cannot be read", () =>
  withFolder(async (folder) => {
    const error = await assertRejects(() => readStateFile(folder), SwarmdError);
    assertEquals(error.code, "disk");
  }));

Deno.test("writeStateFile() refuses what could not be read back", () =>
  withFolder(async (folder) => {
    const path = `${folder}/state.json`;
    await writeStateFile(path, "old");
    // The longest text that fits: quotes around it and a line end after it.
    await writeStateFile(path, "x".repeat(MAX_STATE_BYTES - 3));
    await readStateFile(path);
    await assertRejects(
      () => writeStateFile(path, "x".repeat(MAX_STATE_BYTES - 2)),
      RangeError,
    );
    await assertRejects(() => writeStateFile(path, undefined), TypeError);
    assertEquals(await namesIn(folder), ["state.json"]);
  }));
