import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  defaultStateDirectory,
  ensureStateDirectory,
  holdsAnything,
  holdsCluster,
} from "../../lib/disk/state_directory.ts";
import { modeOf, withFolder } from "./testdata/folder.ts";

Deno.test("defaultStateDirectory() prefers the variable, then goes by the user", () => {
  const home = { HOME: "/home/u" };
  const cases = [
    { env: { SWARMD_STATE_DIR: "/s", ...home }, uid: 0, want: "/s" },
    { env: { SWARMD_STATE_DIR: "rel" }, uid: 1000, want: "rel" },
    { env: { SWARMD_STATE_DIR: "", ...home }, uid: 0, want: "/var/lib/swarmd" },
    { env: { XDG_STATE_HOME: "/x" }, uid: 0, want: "/var/lib/swarmd" },
    { env: { XDG_STATE_HOME: "/x", ...home }, uid: 7, want: "/x/swarmd" },
    {
      env: { XDG_STATE_HOME: "x", ...home },
      uid: 7,
      want: "/home/u/.local/state/swarmd",
    },
    {
      env: { XDG_STATE_HOME: "", ...home },
      uid: 7,
      want: "/home/u/.local/state/swarmd",
    },
    { env: home, uid: null, want: "/home/u/.local/state/swarmd" },
  ];
  for (const { env, uid, want } of cases) {
    const lookUp = (name: string) => new Map(Object.entries(env)).get(name);
    assertEquals(defaultStateDirectory(lookUp, uid), want);
  }
});

Deno.test("defaultStateDirectory() says what to set when nothing tells", () => {
  const error = assertThrows(
    () => defaultStateDirectory(() => undefined, 1000),
    SwarmdError,
  );
  assertEquals(error.code, "usage");
  assertStringIncludes(error.hint ?? "", "--state-dir");
});

Deno.test("ensureStateDirectory() makes a private folder, and takes one that is safe", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a/b`;
    await ensureStateDirectory(path);
    assertEquals(await modeOf(path), "0700");
    await ensureStateDirectory(path);
    await Deno.chmod(path, 0o755);
    await ensureStateDirectory(path);
    assertEquals(await modeOf(path), "0755");
  }));

Deno.test("ensureStateDirectory() refuses a folder that others can write to", () =>
  withFolder(async (folder) => {
    for (const mode of [0o770, 0o707, 0o1777, 0o722, 0o702]) {
      await Deno.chmod(folder, mode);
      const error = await assertRejects(
        () => ensureStateDirectory(folder),
        SwarmdError,
      );
      assertEquals(error.code, "disk");
      assertEquals(error.verdict, "stop");
      assertStringIncludes(error.message, mode.toString(8));
    }
    await Deno.chmod(folder, 0o700);
  }));

Deno.test("ensureStateDirectory() refuses another user's folder", () =>
  withFolder(async (folder) => {
    // Whoever runs the test: root can give a folder away, others have `/`.
    const path = Deno.uid() === 0 ? folder : "/";
    if (path === folder) await Deno.chown(folder, 65534, 65534);
    const error = await assertRejects(
      () => ensureStateDirectory(path),
      SwarmdError,
    );
    assertEquals(error.code, "disk");
    assertStringIncludes(error.message, "owns it, wanted user");
  }));

Deno.test("ensureStateDirectory() refuses a file", () =>
  withFolder(async (folder) => {
    const path = `${folder}/file`;
    await Deno.writeTextFile(path, "");
    const error = await assertRejects(
      () => ensureStateDirectory(path),
      SwarmdError,
    );
    assertEquals(error.code, "disk");
  }));

Deno.test("holdsAnything() names every part of an identity or a cluster, holdsCluster() a cluster's", () =>
  withFolder(async (folder) => {
    assertEquals(await holdsAnything(`${folder}/missing`), []);
    const others = ["swarmd.lock", "swarmd.sock", "lost+found", "xstate.json"];
    for (const name of others) {
      await Deno.writeTextFile(`${folder}/${name}`, "");
    }
    assertEquals(await holdsAnything(folder), []);
    const parts = [
      "certificates",
      "cluster.key",
      "identities",
      "next.key.json",
      "state.json",
      "swarmd.db",
      "swarmd.db-wal",
    ];
    for (const name of parts) {
      const path = `${folder}/${name}`;
      if (name === "certificates") await Deno.symlink("nowhere", path);
      else if (name === "identities") await Deno.mkdir(path);
      else await Deno.writeTextFile(path, "");
      assertEquals(await holdsAnything(folder), [name]);
      const isClusters = /^(cluster\.key|swarmd\.db)/.test(name);
      assertEquals(await holdsCluster(folder), isClusters ? [name] : []);
      await Deno.remove(path);
    }
  }));
