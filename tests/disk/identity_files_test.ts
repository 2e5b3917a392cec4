import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  openIdentityFiles,
  readIdentity,
} from "../../lib/disk/identity_files.ts";
import { leftoversIn, modeOf, namesIn, withFolder } from "./testdata/folder.ts";
import { linkedName, tagIn, writeByHand } from "./testdata/identities.ts";
import { taggedPems, tagOf } from "./testdata/pems.ts";

const NAMES = ["swarm-node.crt", "swarm-node.key", "swarm-root-ca.crt"];

Deno.test("IdentityFiles.load() gives undefined while there is no identity", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    assertEquals(await files.load(), undefined);
    assertFalse(await files.rollBack());
    await files.confirm();
    assertEquals(await namesIn(folder), []);
  }));

Deno.test("IdentityFiles.save() makes the layout that the documents promise", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    const target = await Deno.readLink(`${folder}/certificates`);
    assertMatch(target, /^identities\/1-[0-9a-f]{8}$/);
    const identity = await files.load();
    assertEquals(identity, {
      ...taggedPems("a"),
      folder: `${folder}/${target}`,
    });
    const modes = {
      "swarm-node.crt": "0644",
      "swarm-node.key": "0600",
      "swarm-root-ca.crt": "0644",
    };
    assertEquals(await namesIn(`${folder}/certificates`), Object.keys(modes));
    for (const [name, mode] of Object.entries(modes)) {
      assertEquals(await modeOf(`${folder}/certificates/${name}`), mode);
    }
    assertEquals(await namesIn(folder), ["certificates", "identities"]);
  }));

Deno.test("IdentityFiles.save() keeps the old folder until confirm()", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    const old = await linkedName(folder);
    await files.save(taggedPems("b"));
    assertEquals(await tagIn(folder), "b");
    const both = [old, await linkedName(folder)];
    assertEquals(await namesIn(`${folder}/identities`), both);
    await files.confirm();
    assertEquals(await tagIn(folder), "b");
    assertEquals(await namesIn(`${folder}/identities`), [both[1]]);
    assertFalse(await files.rollBack());
  }));

Deno.test("IdentityFiles.save() leaves nothing behind when the link cannot be swapped", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    await Deno.rename(`${folder}/certificates`, `${folder}/aside`);
    await Deno.mkdir(`${folder}/certificates/in-the-way`, { recursive: true });
    const error = await assertRejects(
      () => files.save(taggedPems("b")),
      SwarmdError,
    );
    assertEquals(error.code, "disk");
    assertEquals(await leftoversIn(folder), []);
    assertEquals((await namesIn(`${folder}/identities`)).length, 1);
  }));

Deno.test("IdentityFiles.save() takes over what did not change, and only that", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    const inode = async (name: string) =>
      (await Deno.stat(`${folder}/certificates/${name}`)).ino;
    const inodes = () => Promise.all(NAMES.map(inode));
    await files.save(taggedPems("a"));
    const before = await inodes();
    const { rootsPem } = taggedPems("b");
    await files.save({ ...taggedPems("a"), rootsPem });
    const after = await inodes();
    assertEquals(after.map((each, i) => each === before[i]), [
      ...[true, true, false],
    ]);
    await files.confirm();
    const { folder: _, ...pems } = await files.load() ?? {};
    assertEquals(pems, { ...taggedPems("a"), rootsPem });
  }));

const TAMPERED: ReadonlyArray<
  readonly [what: string, (path: string) => Promise<void>]
> = [
  ["is gone", (path) => Deno.remove(path)],
  ["was changed", (path) => Deno.writeTextFile(path, "-----BEGIN X-----")],
  ["is a link now", async (path) => {
    await Deno.rename(path, `${path}.away`);
    await Deno.symlink(`${path}.away`, path);
  }],
  ["may be read by others now", (path) => Deno.chmod(path, 0o646)],
];

for (const [what, tamper] of TAMPERED) {
  Deno.test(`IdentityFiles.save() writes anew what ${what} meanwhile`, () =>
    withFolder(async (folder) => {
      const files = await openIdentityFiles(folder);
      await files.save(taggedPems("a"));
      for (const name of NAMES) await tamper(`${folder}/certificates/${name}`);
      await files.save(taggedPems("a"));
      await files.confirm();
      assertEquals(await tagIn(folder), "a");
      assertEquals(
        await modeOf(`${folder}/certificates/swarm-node.key`),
        "0600",
      );
    }));
}

Deno.test("IdentityFiles.confirm() removes nothing that somebody put in use meanwhile", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    await files.confirm();
    const older = await linkedName(folder);
    await files.save(taggedPems("b"));
    await Deno.remove(`${folder}/certificates`);
    await Deno.symlink(`identities/${older}`, `${folder}/certificates`);
    await files.confirm();
    assertEquals(await tagIn(folder), "a");
    await files.save(taggedPems("c"));
    await files.confirm();
    assertEquals(await tagIn(folder), "c");
  }));

Deno.test("IdentityFiles.confirm() goes on where somebody removed an older identity", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    await files.confirm();
    await files.save(taggedPems("b"));
    const gone = await linkedName(folder);
    await files.save(taggedPems("c"));
    await Deno.remove(`${folder}/identities/${gone}`, { recursive: true });
    await files.confirm();
    assertEquals((await namesIn(`${folder}/identities`)).length, 1);
    assertEquals(await tagIn(folder), "c");
  }));

Deno.test("IdentityFiles.rollBack() goes back to the previous identity, once", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    await files.save(taggedPems("b"));
    const given = await linkedName(folder);
    assert(await files.rollBack());
    assertEquals(await tagIn(folder), "a");
    assertFalse(await files.rollBack());
    assertEquals((await namesIn(`${folder}/identities`)).length, 1);
    await files.save(taggedPems("c"));
    assertNotEquals(await linkedName(folder), given, "a name came back");
    assert(await files.rollBack());
    assertEquals(await tagIn(folder), "a");
  }));

Deno.test("IdentityFiles.rollBack() skips a previous identity that is not whole", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    const old = `${folder}/identities/${await linkedName(folder)}`;
    await files.save(taggedPems("b"));
    await Deno.remove(`${old}/swarm-node.key`);
    assertFalse(await files.rollBack());
    assertEquals(await tagIn(folder), "b");
  }));

Deno.test("openIdentityFiles() removes leftovers of a killed process", () =>
  withFolder(async (folder) => {
    await writeByHand(`${folder}/identities/.swarmd-tmp-1`, "half");
    await Deno.symlink("identities/1", `${folder}/.swarmd-tmp-2`);
    await openIdentityFiles(folder);
    assertEquals(await leftoversIn(folder), []);
  }));

Deno.test("an identity stays whole when the state directory moves", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/here`);
    const files = await openIdentityFiles(`${folder}/here`);
    await files.save(taggedPems("a"));
    await Deno.rename(`${folder}/here`, `${folder}/there`);
    assertEquals(await tagIn(`${folder}/there`), "a");
    const moved = await openIdentityFiles(`${folder}/there`);
    await moved.save(taggedPems("b"));
    assert(await moved.rollBack());
    assertEquals(await tagIn(`${folder}/there`), "a");
  }));

Deno.test("readIdentity() changes nothing", () =>
  withFolder(async (folder) => {
    await writeByHand(`${folder}/certificates`, "real");
    await Deno.mkdir(`${folder}/.swarmd-tmp-1`);
    assertEquals(await tagIn(folder), "real");
    assertEquals(await namesIn(folder), [".swarmd-tmp-1", "certificates"]);
    assertEquals(await readIdentity(`${folder}/missing`), undefined);
  }));

/** Reads an identity as another program would that resolves the link once. */
async function readResolved(stateDir: string): Promise<"whole" | "gone"> {
  const resolved = await Deno.realPath(`${stateDir}/certificates`);
  const read = (name: string) => Deno.readTextFile(`${resolved}/${name}`);
  try {
    const certificatePem = await read("swarm-node.crt");
    const keyPem = await read("swarm-node.key");
    tagOf({
      certificatePem,
      keyPem,
      rootsPem: await read("swarm-root-ca.crt"),
    });
    return "whole";
  } catch (error) {
    // Confirmed, and so removed, while it was read.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return "gone";
  }
}

Deno.test("a reader that resolves the link once never sees a mixed identity", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("0"));
    const seen = { whole: 0, gone: 0, loaded: 0 };
    let swapping = true;
    const swap = async () => {
      for (let i = 1; i <= 500; i++) {
        await files.save(taggedPems(`${i}`));
        if (i % 3 === 0) await files.rollBack();
        if (i % 5 === 0) await files.confirm();
      }
    };
    const read = async () => {
      while (swapping) seen[await readResolved(folder)]++;
    };
    const load = async () => {
      for (; swapping; seen.loaded++) assert(await tagIn(folder) !== undefined);
    };
    const swapped = swap().finally(() => swapping = false);
    await Promise.all([swapped, read(), read(), load()]);
    assert(seen.whole > 200 && seen.loaded > 50, JSON.stringify(seen));
  }, { dir: "/dev/shm" }));
