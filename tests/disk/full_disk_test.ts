import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  type IdentityFiles,
  openIdentityFiles,
} from "../../lib/disk/identity_files.ts";
import { lockStateDirectory } from "../../lib/disk/lock.ts";
import { childCommand } from "./testdata/child.ts";
import { leftoversIn, withFolder } from "./testdata/folder.ts";
import { note } from "./testdata/note.ts";
import { taggedPems, tagOf } from "./testdata/pems.ts";

async function tagIn(files: IdentityFiles): Promise<string | undefined> {
  const identity = await files.load();
  return identity && tagOf(identity);
}

/** Runs a test on a file system of 256 KiB; says so where that is forbidden. */
async function withTinyDisk(
  body: (folder: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const mount = ["-t", "tmpfs", "-o", "size=256k", "tmpfs", folder];
    const { success, stderr } = await run("mount", mount);
    if (!success) {
      return note(`No full disk: ${new TextDecoder().decode(stderr).trim()}`);
    }
    try {
      await body(folder);
    } finally {
      assert((await run("umount", [folder])).success);
    }
  });
}

function run(program: string, args: string[]): Promise<Deno.CommandOutput> {
  return new Deno.Command(program, { args }).output();
}

/** Fills a file system but for so many pages of 4 KiB. */
async function fill(folder: string, freePages: number): Promise<void> {
  const path = `${folder}/filler`;
  using file = await Deno.open(path, { write: true, create: true });
  await file.seek(0, Deno.SeekMode.End);
  const page = new Uint8Array(4096);
  try {
    while (await file.write(page) > 0);
  } catch (error) {
    assertStringIncludes(String(error), "No space left");
  }
  const { size } = await file.stat();
  await file.truncate(size - freePages * 4096);
}

Deno.test("IdentityFiles keeps the old identity, and works, on a full disk", () =>
  withTinyDisk(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    await files.saveState({ tag: "a" });
    // Three files of two pages: the disk is full at every place in turn.
    for (let freePages = 0; freePages < 6; freePages++) {
      await fill(folder, freePages);
      const error = await assertRejects(
        () => files.save(taggedPems("b", 4000)),
        SwarmdError,
      );
      assertEquals(error.code, "disk");
      assertEquals(error.data.errno, "ENOSPC");
      assertEquals(error.verdict, "retry");
      assertMatch(error.message, /: the disk is full$/);
      assertInstanceOf(error.cause, Error);
      assertEquals(await leftoversIn(folder), []);
      assertEquals(await tagIn(files), "a");
    }
    await fill(folder, 0);
    await assertRejects(() => files.saveState({ tag: "b" }), SwarmdError);
    const reopened = await openIdentityFiles(folder);
    await using _lock = await lockStateDirectory(folder);
    assertEquals(await tagIn(reopened), "a");
    assertEquals(await reopened.loadState(), { tag: "a" });
    await fill(folder, 6);
    await files.save(taggedPems("b", 4000));
    assertEquals(await tagIn(files), "b");
    await fill(folder, 0);
    assert(await files.rollBack());
    assertEquals(await tagIn(files), "a");
  }));

Deno.test("IdentityFiles keeps the old identity when files may not grow", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    const child = childCommand(folder, "saveLarge");
    // Ignored, else the limit kills instead of failing the write.
    const script = `trap "" XFSZ; ulimit -f 16; exec "$@"`;
    const { stdout, code } = await run("sh", ["-c", script, "sh", ...child]);
    const said = new TextDecoder().decode(stdout).trim();
    assertEquals(code, 1);
    assertMatch(said, /^disk: Cannot save .*: file too large$/);
    assertEquals(await leftoversIn(folder), []);
    assertEquals(await tagIn(files), "a");
  }));
