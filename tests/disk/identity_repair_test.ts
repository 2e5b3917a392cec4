import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  openIdentityFiles,
  openWholeIdentity,
} from "../../lib/disk/identity_files.ts";
import { modeOf, namesIn, withFolder } from "./testdata/folder.ts";
import { linkedName, tagIn, writeByHand } from "./testdata/identities.ts";
import { taggedPems } from "./testdata/pems.ts";

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
