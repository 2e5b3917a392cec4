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
  openWholeIdentity,
  readIdentity,
} from "../../lib/disk/identity_files.ts";
import { leftoversIn, modeOf, namesIn, withFolder } from "./testdata/folder.ts";
import { taggedPems, tagOf } from "./testdata/pems.ts";

/** The tag of the identity in use, or `undefined`. */
async function tagIn(stateDir: string): Promise<string | undefined> {
  const identity = await readIdentity(stateDir);
  return identity && tagOf(identity);
}

/** The name of the folder that the link names. */
async function linkedName(stateDir: string): Promise<string> {
  return (await Deno.readLink(`${stateDir}/certificates`)).split("/")[1] ?? "";
}

/** Writes an identity folder by hand, as a person or a backup would. */
async function writeByHand(folder: string, tag: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const pems = taggedPems(tag);
  await Deno.writeTextFile(`${folder}/swarm-root-ca.crt`, pems.rootsPem);
  await Deno.writeTextFile(`${folder}/swarm-node.crt`, pems.certificatePem);
  await Deno.writeTextFile(`${folder}/swarm-node.key`, pems.keyPem);
}

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

Deno.test("IdentityFiles sorts its folders by number, not by name", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    for (let i = 1; i <= 12; i++) {
      await files.save(taggedPems(`${i}`));
      assertEquals(await tagIn(folder), `${i}`);
    }
    await files.rollBack();
    assertEquals(await tagIn(folder), "11");
    const reopened = await openIdentityFiles(folder);
    await reopened.rollBack();
    assertEquals(await tagIn(folder), "10");
  }));

Deno.test("openIdentityFiles() keeps an unconfirmed identity and the one before", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    await files.save(taggedPems("a"));
    await files.save(taggedPems("b"));
    const reopened = await openIdentityFiles(folder);
    assertEquals(await tagIn(folder), "b");
    assert(await reopened.rollBack());
    assertEquals(await tagIn(folder), "a");
  }));

interface Repair {
  readonly title: string;
  /** What happens to a directory in which `b` was saved over `a`. */
  readonly harm: (stateDir: string, linked: string) => Promise<void>;
  /** The tag in use after opening, and how many folders there are. */
  readonly tag: string | undefined;
  readonly folders: number;
}

const REPAIRS: readonly Repair[] = [
  {
    title: "points a missing link at the newest identity",
    harm: (dir) => Deno.remove(`${dir}/certificates`),
    tag: "b",
    folders: 2,
  },
  {
    title: "points a dangling link at the newest identity",
    harm: async (dir) => {
      await Deno.remove(`${dir}/certificates`);
      await Deno.symlink("identities/9-00000000", `${dir}/certificates`);
    },
    tag: "b",
    folders: 2,
  },
  {
    title: "goes to the older identity when the linked folder is gone",
    harm: (_, linked) => Deno.remove(linked, { recursive: true }),
    tag: "a",
    folders: 1,
  },
  {
    title: "goes to the older identity when the linked one lost a file",
    harm: (_, linked) => Deno.remove(`${linked}/swarm-root-ca.crt`),
    tag: "a",
    folders: 1,
  },
  {
    title: "goes to the older identity when a linked file is empty",
    harm: (_, linked) => Deno.writeTextFile(`${linked}/swarm-node.key`, ""),
    tag: "a",
    folders: 1,
  },
  {
    title: "goes to the older identity when a linked file is cut short",
    harm: async (_, linked) => {
      const path = `${linked}/swarm-node.crt`;
      await Deno.truncate(path, (await Deno.stat(path)).size - 6);
    },
    tag: "a",
    folders: 1,
  },
  {
    title: "forgets a newer folder that was never put in use",
    harm: (dir) => writeByHand(`${dir}/identities/3-00000000`, "never"),
    tag: "b",
    folders: 2,
  },
  {
    title: "removes a folder that is not whole once a whole one is linked",
    harm: (dir) => Deno.mkdir(`${dir}/identities/0-00000000`),
    tag: "b",
    folders: 2,
  },
  {
    title: "leaves folders alone that are not identities",
    harm: (dir) => writeByHand(`${dir}/identities/mine`, "mine"),
    tag: "b",
    folders: 3,
  },
  {
    title: "takes in a real folder in the link's place",
    harm: async (dir) => {
      await Deno.remove(`${dir}/certificates`);
      await writeByHand(`${dir}/certificates`, "real");
    },
    tag: "real",
    folders: 3,
  },
  {
    title: "moves a real folder that is not whole out of the way",
    harm: async (dir) => {
      await Deno.remove(`${dir}/certificates`);
      await Deno.mkdir(`${dir}/certificates`);
    },
    tag: "b",
    folders: 2,
  },
  {
    title: "takes in an identity outside that the link names",
    harm: async (dir) => {
      await writeByHand(`${dir}/backup`, "outside");
      await Deno.remove(`${dir}/certificates`);
      await Deno.symlink(`${dir}/backup`, `${dir}/certificates`);
    },
    tag: "outside",
    folders: 3,
  },
  {
    title: "has no identity when no folder is whole, and keeps what there is",
    harm: async (dir) => {
      for (const name of await namesIn(`${dir}/identities`)) {
        await Deno.remove(`${dir}/identities/${name}/swarm-node.crt`);
      }
    },
    tag: undefined,
    folders: 2,
  },
];

for (const { title, harm, tag, folders } of REPAIRS) {
  Deno.test(`openIdentityFiles() ${title}`, () =>
    withFolder(async (folder) => {
      const files = await openIdentityFiles(folder);
      await files.save(taggedPems("a"));
      await files.save(taggedPems("b"));
      await harm(folder, `${folder}/identities/${await linkedName(folder)}`);
      // Twice: what is repaired stays so.
      for (let i = 0; i < 2; i++) {
        await openIdentityFiles(folder);
        assertEquals(await tagIn(folder), tag);
        assertEquals((await namesIn(`${folder}/identities`)).length, folders);
      }
      const reopened = await openIdentityFiles(folder);
      await reopened.save(taggedPems("c"));
      await reopened.confirm();
      assertEquals(await tagIn(folder), "c");
      assertMatch(
        await Deno.readLink(`${folder}/certificates`),
        /^identities\/\d+-[0-9a-f]{8}$/,
      );
    }));
}

const FILES = ["swarm-node.crt", "swarm-node.key", "swarm-root-ca.crt"];

Deno.test("openWholeIdentity() refuses a damaged identity by file, and removes nothing", () =>
  withFolder(async (folder) => {
    const files = await openWholeIdentity(folder);
    await files.save(taggedPems("a"));
    const { folder: linked = "" } = await files.load() ?? {};
    for (const name of FILES) {
      const path = `${linked}/${name}`;
      const whole = await Deno.readTextFile(path);
      for (const text of ["", "garbage", whole.slice(0, -6), undefined]) {
        if (text === undefined) await Deno.remove(path);
        else await Deno.writeTextFile(path, text);
        const error = await assertRejects(
          () => openWholeIdentity(folder),
          SwarmdError,
        );
        assertEquals(error.code, "damaged-state");
        assertEquals(error.data["path"], path);
        const left = FILES.filter((each) =>
          text !== undefined || each !== name
        );
        assertEquals(await namesIn(linked), left);
        await Deno.writeTextFile(path, whole);
      }
    }
    const again = await openWholeIdentity(folder);
    assertEquals((await again.load())?.folder, linked);
  }));

Deno.test("openWholeIdentity() refuses a link or a folder without its other half", () =>
  withFolder(async (folder) => {
    await Deno.symlink("identities/1-00000000", `${folder}/certificates`);
    await assertRejects(() => openWholeIdentity(folder), SwarmdError, "1-0");
    await Deno.remove(`${folder}/certificates`);
    await writeByHand(`${folder}/identities/1-00000000`, "a");
    await Deno.writeTextFile(
      `${folder}/identities/1-00000000/swarm-node.key`,
      "garbage",
    );
    await assertRejects(() => openWholeIdentity(folder), SwarmdError, ".key");
  }));

Deno.test("openWholeIdentity() takes a join that was killed amid its first identity for none", () =>
  withFolder(async (folder) => {
    await writeByHand(`${folder}/identities/.swarmd-tmp-1`, "half");
    const files = await openWholeIdentity(folder);
    assertEquals(await files.load(), undefined);
  }));

Deno.test("openIdentityFiles() gives taken-in files their modes", () =>
  withFolder(async (folder) => {
    await writeByHand(`${folder}/certificates`, "real");
    await Deno.chmod(`${folder}/certificates/swarm-node.key`, 0o644);
    const files = await openIdentityFiles(folder);
    const { folder: taken = "" } = await files.load() ?? {};
    assertEquals(await modeOf(`${taken}/swarm-node.key`), "0600");
    assertEquals(await modeOf(`${taken}/swarm-node.crt`), "0644");
  }));

Deno.test("openIdentityFiles() refuses a file in the link's place", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/certificates`, "precious");
    const error = await assertRejects(
      () => openIdentityFiles(folder),
      SwarmdError,
    );
    assertEquals(error.code, "damaged-state");
    assertEquals(
      await Deno.readTextFile(`${folder}/certificates`),
      "precious",
    );
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
