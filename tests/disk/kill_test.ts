import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  openIdentityFiles,
  readIdentity,
} from "../../lib/disk/identity_files.ts";
import {
  isNewer,
  linkedFolder,
  listFolders,
  readFolder,
} from "../../lib/disk/identity_folders.ts";
import { readSecretFile } from "../../lib/disk/secret_file.ts";
import { readStateFile } from "../../lib/disk/state_file.ts";
import { SeededRandom } from "../fakes/random.ts";
import { startChild } from "./testdata/child.ts";
import { note } from "./testdata/note.ts";
import { leftoversIn, namesIn, withFolder } from "./testdata/folder.ts";
import { taggedPems, tagOf } from "./testdata/pems.ts";
import {
  type Disturbance,
  disturbAt,
  traceWrites,
  type WritePoint,
} from "./testdata/write_points.ts";

/** What `openIdentityFiles` finds: the tag of a whole identity, or nothing. */
async function tagAfterRepair(stateDir: string): Promise<string | undefined> {
  const files = await openIdentityFiles(stateDir);
  const identity = await files.load();
  assertEquals(await leftoversIn(stateDir), []);
  return identity && tagOf(identity);
}

/** Whether a directory serves on: as if nothing had happened. */
async function assertUsable(stateDir: string): Promise<void> {
  const files = await openIdentityFiles(stateDir);
  await files.save(taggedPems("after"));
  await files.confirm();
  assertEquals(await tagAfterRepair(stateDir), "after");
  assertEquals((await namesIn(`${stateDir}/identities`)).length, 1);
}

interface Scenario {
  readonly action: string;
  readonly given: string;
  readonly prepare: (stateDir: string) => Promise<void>;
  /** The tags that may be found after a kill; "" stands for no identity. */
  readonly tags: readonly string[];
  /** Whether even a reader that repairs nothing always finds an identity. */
  readonly hitless: boolean;
}

async function saveTags(stateDir: string, tags: string[]): Promise<void> {
  const files = await openIdentityFiles(stateDir);
  for (const tag of tags) await files.save(taggedPems(tag));
}

const SCENARIOS: readonly Scenario[] = [
  {
    action: "save",
    given: "nothing",
    prepare: async () => {},
    tags: ["", "new"],
    hitless: false,
  },
  {
    action: "save",
    given: "an identity",
    prepare: (dir) => saveTags(dir, ["a"]),
    tags: ["a", "new"],
    hitless: true,
  },
  {
    action: "saveRoots",
    given: "an identity",
    prepare: (dir) => saveTags(dir, ["a"]),
    tags: ["a", "new"],
    hitless: true,
  },
  {
    action: "confirm",
    given: "two unconfirmed identities",
    prepare: (dir) => saveTags(dir, ["a", "b", "c"]),
    tags: ["c"],
    hitless: true,
  },
  {
    action: "rollBack",
    given: "an unconfirmed identity",
    prepare: (dir) => saveTags(dir, ["a", "b"]),
    tags: ["a", "b"],
    hitless: true,
  },
  {
    action: "open",
    given: "a real folder",
    prepare: async (dir) => {
      await saveTags(dir, ["a", "real"]);
      const linked = await Deno.realPath(`${dir}/certificates`);
      await Deno.remove(`${dir}/certificates`);
      await Deno.rename(linked, `${dir}/certificates`);
    },
    tags: ["real"],
    hitless: false,
  },
  {
    action: "open",
    given: "a dangling link",
    prepare: async (dir) => {
      await saveTags(dir, ["a", "b"]);
      const linked = await Deno.realPath(`${dir}/certificates`);
      await Deno.remove(linked, { recursive: true });
    },
    tags: ["a"],
    hitless: false,
  },
];

for (const { action, given, prepare, tags, hitless } of SCENARIOS) {
  Deno.test(`a kill at every write of ${action} given ${given} leaves a whole identity`, () =>
    withFolder(async (folder) => {
      await Deno.mkdir(`${folder}/given`);
      await prepare(`${folder}/given`);
      await atEveryWrite({ folder, action }, async (stateDir) => {
        if (hitless) {
          const identity = await readIdentity(stateDir);
          assert(identity && tags.includes(tagOf(identity)));
        }
        const tag = await tagAfterRepair(stateDir) ?? "";
        assert(tags.includes(tag), `found "${tag}"`);
        await assertUsable(stateDir);
        return tag;
      });
    }));
}

Deno.test("a kill at every write of saveState leaves the old state or the new one", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/given`);
    const files = await openIdentityFiles(`${folder}/given`);
    await files.saveState({ tag: "old" });
    await atEveryWrite({ folder, action: "saveState" }, async (stateDir) => {
      const found = await openIdentityFiles(stateDir);
      const { tag } = await found.loadState() as { tag: string };
      assert(tag === "old" || tag === "new");
      assertEquals(await namesIn(stateDir), ["state.json"]);
      return tag;
    });
  }));

Deno.test("a kill at every write of createSecretFile() leaves no secret or a whole one", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/given`);
    await atEveryWrite({ folder, action: "createSecret" }, async (stateDir) => {
      const secret = await readSecretFile(`${stateDir}/cluster.key`);
      assert(secret === undefined || secret === "new");
      await openIdentityFiles(stateDir);
      assertEquals(await leftoversIn(stateDir), []);
      return secret ?? "";
    });
  }));

const FAILURES = [
  { action: "save", tags: ["a", "new"] },
  { action: "rollBack", tags: ["0", "a"] },
  { action: "confirm", tags: ["a"] },
];

for (const { action, tags } of FAILURES) {
  Deno.test(`an error at any write of ${action} leaves a whole identity and no leftovers`, () =>
    withFolder(async (folder) => {
      await Deno.mkdir(`${folder}/given`);
      await saveTags(`${folder}/given`, ["0", "a"]);
      const effect = "error=EIO";
      await atEveryWrite({ folder, action, effect }, async (stateDir) => {
        assertEquals(await leftoversIn(stateDir), []);
        const identity = await readIdentity(stateDir);
        assert(identity && tags.includes(tagOf(identity)));
        await assertUsable(stateDir);
        return tagOf(identity);
      });
    }));
}

interface Run {
  /** Holds the folder `given`, of which every run gets a copy. */
  readonly folder: string;
  readonly action: string;
  readonly effect?: Disturbance["effect"];
}

/**
 * Runs a child once for each of its writes, disturbed there, and once to its
 * end; `check` looks at what is left and says what it found. Two at a time.
 */
async function atEveryWrite(
  { folder, action, effect = "signal=KILL" }: Run,
  check: (stateDir: string) => Promise<string>,
): Promise<void> {
  const model = await copyGiven(folder, "model");
  // strace counts per thread, so of several fsyncs of one path only the first
  // can be named; a kill at another leaves what one at the call before leaves.
  const points = (await traceWrites(model, action))
    .filter(({ call, nth }) => call !== "fsync" || nth === 1);
  const found = new Set([await check(model)]);
  const left = [...points.entries()];
  const work = async () => {
    for (let next; (next = left.shift());) {
      const [index, point] = next;
      const stateDir = await copyGiven(folder, `run-${index}`);
      const path = point.path.replace(model, stateDir);
      const where = `${effect} at ${point.call} ${path}`;
      const disturbance = { stateDir, action, effect };
      assertEnd(await disturbAt({ ...point, path }, disturbance), where);
      found.add(
        await check(stateDir).catch((cause) => {
          throw new Error(`After ${where}`, { cause });
        }),
      );
    }
  };
  await Promise.all([work(), work()]);
  note(`${action}, ${effect}: ${points.length} writes, then: ${[...found]}`);
  assert(points.length >= 3);
}

/** A child that was disturbed is dead, or has said what failed. */
function assertEnd(
  { signal, stdout }: Deno.CommandOutput,
  where: string,
): void {
  const said = new TextDecoder().decode(stdout);
  if (where.startsWith("signal")) assertEquals(signal, "SIGKILL", where);
  else assertMatch(said, /^disk: Cannot .*: input\/output error\n$/, where);
}

async function copyGiven(folder: string, name: string): Promise<string> {
  const args = ["-a", `${folder}/given`, `${folder}/${name}`];
  assert((await new Deno.Command("cp", { args }).output()).success);
  return `${folder}/${name}`;
}

Deno.test("every write is on the disk before it is given a name, and every name before the end", () =>
  withFolder(async (folder) => {
    for (const action of ["save", "saveState", "createSecret"]) {
      const stateDir = `${folder}/${action}`;
      await Deno.mkdir(stateDir);
      assertDurable(await traceWrites(stateDir, action));
    }
  }));

/** Follows what a power cut could still undo. */
function assertDurable(points: readonly WritePoint[]): void {
  const dirty = new Set<string>();
  const parent = (path: string) => path.slice(0, path.lastIndexOf("/"));
  for (const { call, path, to } of points) {
    if (call === "fsync") dirty.delete(path);
    else if (call === "write" || call === "chmod") dirty.add(path);
    else dirty.add(parent(to ?? path));
    if (call !== "rename" && call !== "link") continue;
    const unsafe = [...dirty].filter((it) => `${it}/`.startsWith(`${path}/`));
    assertEquals(unsafe, [], `not on the disk before it is ${to}`);
  }
  assertEquals([...dirty], [], "not on the disk at the end");
}

Deno.test("a kill at any moment, 100 times over, loses nothing that was saved", () =>
  withFolder(async (folder) => {
    const seed = Number(Deno.env.get("SWARMD_TEST_SEED") ?? Date.now() % 1e9);
    note(`SWARMD_TEST_SEED=${seed}`);
    const random = new SeededRandom(seed);
    const files = await openIdentityFiles(folder);
    await files.saveState({ tag: 1 });
    await files.save(taggedPems("1"));
    for (let round = 0; round < 100; round++) {
      const before = await tagsIn(folder);
      const argument = `${random.integer(1e9)}`;
      await using child = startChild(folder, "loop", { argument });
      const said = [await child.nextLine() ?? ""];
      await new Promise((done) => setTimeout(done, random.uniform() * 60));
      said.push(...await child.kill());
      const expected = await expectedTags(folder, { before, said });
      const tag = await tagAfterRepair(folder) ?? "";
      const context = `round ${round}, ${before}, ${said}: found ${tag}`;
      assert(expected.includes(tag), context);
    }
    await assertUsable(folder);
  }));

/** The tags of the identities up to the one in use, the oldest first. */
async function tagsIn(stateDir: string): Promise<string[]> {
  const linked = await linkedFolder(stateDir) ?? "";
  const tags: string[] = [];
  for (const folder of await listFolders(stateDir)) {
    const pems = await readFolder(folder);
    if (pems && !isNewer(folder, linked)) tags.unshift(tagOf(pems));
  }
  return tags;
}

interface History {
  /** The identities before the child began, the oldest first. */
  readonly before: readonly string[];
  /** What the child said that it had done. */
  readonly said: readonly string[];
}

/**
 * What may be in use after a kill: what was done last, or what the step would
 * have done that was not said any more.
 */
async function expectedTags(
  stateDir: string,
  { before, said }: History,
): Promise<(string | undefined)[]> {
  let tags = [...before];
  for (const line of said) {
    const saved = /^saved (\d+)$/.exec(line)?.[1];
    if (saved !== undefined) tags.push(saved);
    else if (line === "rolled back") tags.pop();
    else if (line === "confirmed") tags = tags.slice(-1);
    else throw new Error(`The child said "${line}"`);
  }
  const { tag } = await readStateFile(`${stateDir}/state.json`) as {
    tag: number;
  };
  const mayRollBack = said.at(-1)?.startsWith("saved");
  return [tags.at(-1), `${tag}`, ...(mayRollBack ? [tags.at(-2)] : [])];
}
