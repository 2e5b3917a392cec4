import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { lockStateDirectory } from "../../lib/disk/lock.ts";
import { startChild } from "./testdata/child.ts";
import { modeOf, withFolder } from "./testdata/folder.ts";

Deno.test("lockStateDirectory() refuses a second holder and names the first", () =>
  withFolder(async (folder) => {
    const before = Date.now();
    await using _lock = await lockStateDirectory(folder, "manager run");
    const error = await assertRejects(
      () => lockStateDirectory(folder, "worker run"),
      SwarmdError,
    );
    assertEquals(error.code, "locked-directory");
    assertEquals(error.verdict, "stop");
    assertEquals(error.data.pid, Deno.pid);
    assertEquals(error.data.command, "manager run");
    const since = Date.parse(String(error.data.since));
    assert(since >= before - 1 && since <= Date.now());
    assertStringIncludes(error.message, `process ${Deno.pid} ("manager run"`);
    assertEquals(await modeOf(`${folder}/swarmd.lock`), "0600");
  }));

Deno.test("lockStateDirectory() gives the lock back when closed, twice too", () =>
  withFolder(async (folder) => {
    for (let i = 0; i < 3; i++) {
      const lock = await lockStateDirectory(folder);
      await lock.close();
      await lock.close();
    }
    assertEquals(await Deno.readTextFile(`${folder}/swarmd.lock`), "");
  }));

Deno.test("lockStateDirectory() lets exactly one of many win", () =>
  withFolder(async (folder) => {
    const tries = Array.from({ length: 20 }, () => lockStateDirectory(folder));
    const results = await Promise.allSettled(tries);
    const won = results.flatMap((result) =>
      result.status === "fulfilled" ? [result.value] : []
    );
    assertEquals(won.length, 1);
    await won[0]?.close();
  }));

Deno.test("lockStateDirectory() names another process, and outlives its death", () =>
  withFolder(async (folder) => {
    await using child = await startChild(folder, "lock");
    assertEquals(await child.nextLine(), "locked");
    const error = await assertRejects(
      () => lockStateDirectory(folder),
      SwarmdError,
    );
    assertEquals(error.data.pid, child.pid);
    assertMatch(error.message, /process \d+ \("worker run", since 2/);
    await child.kill();
    assertStringIncludes(
      await Deno.readTextFile(`${folder}/swarmd.lock`),
      `${child.pid}`,
    );
    await using _lock = await lockStateDirectory(folder);
  }));

Deno.test("lockStateDirectory() waits for the name of a holder that has just taken it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/swarmd.lock`;
    using file = await Deno.open(path, { write: true, create: true });
    assert(await file.tryLock(true));
    const refused = assertRejects(
      () => lockStateDirectory(folder),
      SwarmdError,
    );
    const holder = { pid: 7, command: "manager init", since: "2026-01-01" };
    await Deno.writeTextFile(path, "{");
    await Deno.writeTextFile(path, JSON.stringify(holder));
    assertStringIncludes((await refused).message, 'process 7 ("manager init"');
  }));

Deno.test("lockStateDirectory() says another process when the file does not tell", () =>
  withFolder(async (folder) => {
    const path = `${folder}/swarmd.lock`;
    await using _lock = await lockStateDirectory(folder);
    for (const text of ["", "{", "null", "x".repeat(5000)]) {
      await Deno.writeTextFile(path, text);
      const error = await assertRejects(
        () => lockStateDirectory(folder),
        SwarmdError,
      );
      assertEquals(error.code, "locked-directory");
      assertStringIncludes(error.message, "another process");
    }
  }));

Deno.test("lockStateDirectory() says disk when there is no such directory", () =>
  withFolder(async (folder) => {
    const error = await assertRejects(
      () => lockStateDirectory(`${folder}/missing`),
      SwarmdError,
    );
    assertEquals(error.code, "disk");
  }));
