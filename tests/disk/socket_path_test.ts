import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  defaultRuntimeDirectory,
  removeSocketFolder,
  socketPath,
} from "../../lib/disk/socket_path.ts";
import { modeOf, namesIn, withFolder } from "./testdata/folder.ts";

Deno.test("defaultRuntimeDirectory() goes by the user, then by the variable", () => {
  const cases = [
    { xdg: "/run/user/0", uid: 0, want: "/run" },
    { xdg: "/run/user/7", uid: 7, want: "/run/user/7" },
    { xdg: "relative", uid: 7, want: "/tmp" },
    { xdg: "", uid: 7, want: "/tmp" },
    { xdg: undefined, uid: 7, want: "/tmp" },
  ];
  for (const { xdg, uid, want } of cases) {
    const env = (name: string) => name === "XDG_RUNTIME_DIR" ? xdg : undefined;
    assertEquals(defaultRuntimeDirectory(env, uid), want);
  }
});

/** Makes a folder whose socket path has a length in bytes. */
async function folderFor(parent: string, socketBytes: number): Promise<string> {
  const rest = socketBytes - `${parent}//swarmd.sock`.length;
  const path = `${parent}/${"d".repeat(rest)}`;
  await Deno.mkdir(path);
  return path;
}

Deno.test("socketPath() stays in the state directory up to 107 bytes, and can be bound", () =>
  withFolder(async (folder) => {
    for (const bytes of [107, 108]) {
      const stateDir = await folderFor(folder, bytes);
      const path = await socketPath(stateDir, folder, { makeFolder: true });
      assertEquals(path === `${stateDir}/swarmd.sock`, bytes === 107);
      Deno.listen({ transport: "unix", path }).close();
    }
  }));

Deno.test("socketPath() is the same by every name of the state directory", () =>
  withFolder(async (folder) => {
    const stateDir = await folderFor(folder, 150);
    await Deno.symlink(stateDir, `${folder}/link`);
    const path = await socketPath(stateDir, folder);
    assertMatch(
      path.slice(folder.length),
      /^\/swarmd-[0-9a-f]{16}\/swarmd\.sock$/,
    );
    for (const name of [`${folder}/link`, `${stateDir}/.`, `${stateDir}/`]) {
      assertEquals(await socketPath(name, folder), path);
    }
    const other = await folderFor(folder, 151);
    assertNotEquals(await socketPath(other, folder), path);
  }));

Deno.test("socketPath() makes its folder only when told, private", () =>
  withFolder(async (folder) => {
    const stateDir = await folderFor(folder, 150);
    const before = await namesIn(folder);
    const path = await socketPath(stateDir, folder);
    assertEquals(await namesIn(folder), before);
    await socketPath(stateDir, folder, { makeFolder: true });
    assertEquals(await modeOf(path.slice(0, path.lastIndexOf("/"))), "0700");
    assertEquals(
      await socketPath(stateDir, folder, { makeFolder: true }),
      path,
    );
  }));

Deno.test("removeSocketFolder() removes the folder outside of the state directory, if it is empty", () =>
  withFolder(async (folder) => {
    const far = await folderFor(folder, 150);
    const near = await folderFor(folder, 107);
    const makeFolder = true;
    const path = await socketPath(far, folder, { makeFolder });
    await Deno.writeTextFile(path, "");
    await removeSocketFolder(path, far);
    assert((await Deno.stat(path)).isFile);
    await Deno.remove(path);
    for (let i = 0; i < 2; i++) await removeSocketFolder(path, far);
    const inside = await socketPath(near, folder, { makeFolder });
    await removeSocketFolder(inside, near);
    assertEquals((await namesIn(folder)).length, 2);
  }));

Deno.test("socketPath() refuses a folder that somebody else prepared", () =>
  withFolder(async (folder) => {
    const stateDir = await folderFor(folder, 150);
    const path = await socketPath(stateDir, folder);
    const trap = path.slice(0, path.lastIndexOf("/"));
    const traps = [
      () => Deno.mkdir(trap).then(() => Deno.chmod(trap, 0o755)),
      () => Deno.symlink(stateDir, trap),
      () => Deno.writeTextFile(trap, ""),
      // Only root can give a folder away.
      () =>
        Deno.mkdir(trap, { mode: 0o700 }).then(() =>
          Deno.chown(trap, 65534, 65534)
        ),
    ];
    for (const lay of traps.slice(0, Deno.uid() === 0 ? 4 : 3)) {
      await lay();
      for (const makeFolder of [false, true]) {
        const error = await assertRejects(
          () => socketPath(stateDir, folder, { makeFolder }),
          SwarmdError,
        );
        assertEquals(error.code, "disk");
        assertStringIncludes(error.message, trap);
      }
      await Deno.remove(trap);
    }
    assert((await namesIn(folder)).length === 1);
  }));

Deno.test("socketPath() says disk when there is no state directory", () =>
  withFolder(async (folder) => {
    const error = await assertRejects(
      () => socketPath(`${folder}/missing`, folder),
      SwarmdError,
    );
    assertEquals(error.code, "disk");
  }));
