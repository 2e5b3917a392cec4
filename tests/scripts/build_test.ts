import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { RUNTIME_FLAGS } from "../../lib/cli/runtime_flags.ts";
import { writePortable } from "../../scripts/build.ts";

/** Stands in for the runtime: shows how it was started. */
const RUNTIME = `#!/bin/sh
echo "self=$SWARMD_SELF"
for argument in "$@"; do echo "$argument"; done
`;

interface Setup extends AsyncDisposable {
  readonly folder: string;
  readonly file: string;
}

async function setUp(): Promise<Setup> {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/swarmd`;
  await Deno.writeTextFile(`${folder}/bundle.js`, "1;");
  await Deno.writeTextFile(`${folder}/runtime`, RUNTIME);
  await writePortable({
    out: file,
    bundle: `${folder}/bundle.js`,
    runtime: `${folder}/runtime`,
  });
  const remove = () => Deno.remove(folder, { recursive: true });
  return { folder, file, [Symbol.asyncDispose]: remove };
}

interface Start {
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface Result {
  readonly code: number;
  readonly lines: readonly string[];
  readonly stderr: string;
}

async function start(program: string, options: Start = {}): Promise<Result> {
  const { args = [], cwd = "/", env = {} } = options;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", ...env },
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    lines: decoder.decode(stdout).trimEnd().split("\n"),
    stderr: decoder.decode(stderr),
  };
}

async function names(folder: string): Promise<string[]> {
  const found = [];
  for await (const { name } of Deno.readDir(folder)) found.push(name);
  return found;
}

/** The one folder that was unpacked. */
async function unpacked(cache: string): Promise<string> {
  const [name, ...others] = await names(cache);
  assertEquals(others, []);
  return `${cache}/${name}`;
}

Deno.test("the portable form passes its arguments on, as they are", async () => {
  await using setup = await setUp();
  const args = ["a", "b  c", "", "$HOME", "'"];
  const { code, lines } = await start(setup.file, {
    args,
    env: { HOME: setup.folder },
  });
  assertEquals(code, 0);
  const program = lines.findIndex((line) => line.endsWith("/swarmd.js"));
  assertEquals(lines.slice(program + 1), args);
  const flags = lines.slice(0, program);
  for (const flag of RUNTIME_FLAGS) assert(flags.includes(flag), flag);
  assert(!flags.includes("--allow-run"));
});

Deno.test("the portable form lets the drill alone start processes", async () => {
  await using setup = await setUp();
  const args = ["drill", "--json"];
  const { lines } = await start(setup.file, {
    args,
    env: { HOME: setup.folder },
  });
  const program = lines.findIndex((line) => line.endsWith("/swarmd.js"));
  assertEquals(lines[program - 1], "--allow-run");
  assertEquals(lines.slice(program + 1), args);
});

Deno.test("the portable form knows its own path, however it is called", async () => {
  await using setup = await setUp();
  const { folder, file } = setup;
  const env = { HOME: folder };
  const elsewhere = { HOME: folder, PATH: `${folder}:/usr/bin:/bin` };
  const calls = [
    await start(file, { env }),
    await start("./swarmd", { env, cwd: folder }),
    await start("swarmd", { env: elsewhere }),
    await start("sh", { env, cwd: folder, args: ["swarmd"] }),
  ];
  for (const { code, lines: [self = ""] } of calls) {
    assertEquals(code, 0);
    assertMatch(self, /^self=\//);
    assertEquals(
      await Deno.realPath(self.replace("self=", "")),
      await Deno.realPath(file),
    );
  }
});

Deno.test("the portable form unpacks once, for its owner alone", async () => {
  await using setup = await setUp();
  const cache = `${setup.folder}/cache`;
  const env = { XDG_CACHE_HOME: cache, HOME: "/dev/null" };
  assertEquals((await start(setup.file, { env })).code, 0);
  const folder = await unpacked(`${cache}/swarmd`);
  const { mode, ino } = await Deno.stat(folder);
  assertEquals((mode ?? 0) & 0o777, 0o700);
  assertEquals((await names(folder)).sort(), ["deno", "swarmd.js"]);
  assertEquals(await Deno.readTextFile(`${folder}/swarmd.js`), "1;");
  // Later starts do not read what is packed: it may even be damaged.
  await damage(setup.file);
  assertEquals((await start(setup.file, { env })).code, 0);
  assertEquals((await Deno.stat(await unpacked(`${cache}/swarmd`))).ino, ino);
});

Deno.test("the portable form refuses to unpack damaged content", async () => {
  await using setup = await setUp();
  await damage(setup.file);
  const { code, stderr } = await start(setup.file, {
    env: { HOME: setup.folder },
  });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "swarmd: error: Cannot unpack");
  assertStringIncludes(stderr, "damaged");
  assertEquals(await names(`${setup.folder}/.cache/swarmd`), []);
});

Deno.test("the portable form replaces what others could have written", async () => {
  await using setup = await setUp();
  const env = { HOME: setup.folder };
  const cache = `${setup.folder}/.cache/swarmd`;
  await start(setup.file, { env });
  const folder = await unpacked(cache);
  const tamper = [
    async () => await Deno.chmod(folder, 0o770),
    async () => await Deno.chmod(`${folder}/deno`, 0o755),
    async () => await Deno.remove(`${folder}/swarmd.js`),
    async () => {
      await Deno.remove(`${folder}/deno`);
      await Deno.symlink("/bin/false", `${folder}/deno`);
    },
  ];
  for (const change of tamper) {
    await change();
    assertEquals((await start(setup.file, { env })).code, 0, String(change));
    const { mode } = await Deno.lstat(`${folder}/deno`);
    assertEquals((mode ?? 0) & 0o777, 0o500, String(change));
    assertEquals((await names(folder)).length, 2, String(change));
  }
});

Deno.test("the portable form trusts no cache that is a link", async () => {
  await using setup = await setUp();
  await Deno.mkdir(`${setup.folder}/.cache`);
  await Deno.mkdir(`${setup.folder}/elsewhere`);
  await Deno.symlink(
    `${setup.folder}/elsewhere`,
    `${setup.folder}/.cache/swarmd`,
  );
  const { code, stderr } = await start(setup.file, {
    env: { HOME: setup.folder },
  });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "no private folder");
});

Deno.test("the portable form starts many times at once", async () => {
  await using setup = await setUp();
  const env = { HOME: setup.folder };
  const results = await Promise.all(
    Array.from({ length: 8 }, () => start(setup.file, { env })),
  );
  assertEquals(results.map(({ code }) => code), Array(8).fill(0));
  await unpacked(`${setup.folder}/.cache/swarmd`);
});

Deno.test("the portable form does without a home", async () => {
  await using setup = await setUp();
  const TMPDIR = setup.folder;
  for (const HOME of [undefined, "/dev/null"]) {
    const env = HOME === undefined ? { TMPDIR } : { TMPDIR, HOME };
    assertEquals((await start(setup.file, { env })).code, 0);
    await unpacked(`${setup.folder}/swarmd-${Deno.uid()}`);
  }
});

/** Flips the last byte. */
async function damage(path: string): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);
}
