import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { Cluster } from "./cluster.ts";
import { Swarmd, swarmd, TempFolder } from "./harness.ts";
import { copyEntries, namesIn, treeOf } from "./tree.ts";

const ALREADY_INITIALISED = 4;

/** State directories of a manager and of a worker that were killed. */
async function leftovers(): Promise<Cluster> {
  const cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("worker");
  await worker.kill();
  await cluster.manager.kill();
  return cluster;
}

async function init(stateDir: string, ...more: readonly string[]) {
  const given = more.some((each) => each.startsWith("--listen-addr"));
  const listen = given ? [] : ["--listen-addr=127.0.0.1:0"];
  return await swarmd([
    ...["manager", "init", "--json", `--state-dir=${stateDir}`],
    ...[...listen, ...more],
  ], { timeoutMs: 10_000 });
}

// W30: what is left of a cluster never becomes a new one.
Deno.test("manager init refuses each single part that is left of a manager or a worker, and touches nothing", async () => {
  await using cluster = await leftovers();
  const tried: string[] = [];
  for (const side of ["manager", "worker"]) {
    const from = cluster.dir(side);
    for (const name of await namesIn(from)) {
      // Neither holds anything of a cluster or a node.
      if (name === "swarmd.lock" || name === "swarmd.sock") continue;
      const to = cluster.dir(`only-${side}-${name}`);
      await copyEntries([name], { from, to });
      const before = await treeOf(to);
      const { code, stdout, stderr } = await init(to);
      assertEquals(code, ALREADY_INITIALISED, `${to}: ${stderr}`);
      assertEquals(stdout, "");
      assertStringIncludes(stderr, name);
      assertEquals(await treeOf(to), before);
      tried.push(`${side} ${name}`);
    }
  }
  for (
    const part of [
      ...["manager certificates", "manager identities", "manager state.json"],
      ...["manager swarmd.db", "manager cluster.key"],
      ...["worker certificates", "worker identities", "worker state.json"],
    ]
  ) assert(tried.includes(part), `${part} was not tried`);
});

Deno.test("manager init refuses a whole worker, a whole manager, and all but one part of a manager", async () => {
  await using cluster = await leftovers();
  const names = await namesIn(cluster.dir());
  const cases = [
    {
      from: cluster.dir("worker"),
      names: await namesIn(cluster.dir("worker")),
    },
    { from: cluster.dir(), names },
    ...names.map((missing) => ({
      from: cluster.dir(),
      names: names.filter((name) => name !== missing),
    })),
  ];
  for (const [i, { from, names }] of cases.entries()) {
    const to = cluster.dir(`case-${i}`);
    await copyEntries(names, { from, to });
    const before = await treeOf(to);
    const { code, stderr } = await init(to);
    assertEquals(code, ALREADY_INITIALISED, `${names}: ${stderr}`);
    assertEquals(await treeOf(to), before);
  }
});

Deno.test("worker join and worker run refuse each part of a cluster by name, and touch nothing", async () => {
  await using cluster = await leftovers();
  const names = await namesIn(cluster.dir());
  const cases = [
    names,
    names.filter((name) => name !== "state.json"),
    ...names.filter((name) => /^(cluster\.key|swarmd\.db)/.test(name))
      .map((name) => [name]),
  ];
  for (const [i, names] of cases.entries()) {
    const to = cluster.dir(`manager-${i}`);
    await copyEntries(names, { from: cluster.dir(), to });
    const before = await treeOf(to);
    for (const process of ["join", "run"] as const) {
      const worker = process === "join"
        ? cluster.join(`manager-${i}`)
        : cluster.runWorker(`manager-${i}`);
      const { code, stderr } = await worker.waitForEnd();
      assertEquals(code, ALREADY_INITIALISED, `${names}: ${stderr}`);
      assertMatch(stderr, /manager's directory.*(swarmd\.db|cluster\.key)/);
      assertStringIncludes(stderr, "swarmd manager run");
      assertEquals(await treeOf(to), before);
    }
  }
});

Deno.test("manager init names the command that goes on with what is there", async () => {
  await using cluster = await leftovers();
  for (const side of ["manager", "worker"]) {
    const { stderr } = await init(cluster.dir(side));
    assertStringIncludes(stderr, `swarmd ${side} run`);
  }
});

Deno.test("manager init refuses the key of a join that was not finished", async () => {
  await using folder = await TempFolder.make();
  // Nobody answers there, so that only the key is made.
  const join = await swarmd([
    ...["worker", "join", `--state-dir=${folder.path}/a`, "127.0.0.1:1"],
  ], { env: { SWARMD_TOKEN: await someToken() } });
  assertEquals(join.code, 10, join.stderr);
  const names = await namesIn(`${folder.path}/a`);
  assert(names.some((name) => name.includes("key")), names.join());
  const before = await treeOf(`${folder.path}/a`);
  const { code, stderr } = await init(`${folder.path}/a`);
  assertEquals(code, ALREADY_INITIALISED, stderr);
  assertEquals(await treeOf(`${folder.path}/a`), before);
});

Deno.test("manager init refuses the directory of a manager that runs, which runs on", async () => {
  await using cluster = await Cluster.start();
  const { code, stderr } = await init(cluster.dir());
  assertEquals(code, ALREADY_INITIALISED, stderr);
  assertEquals((await cluster.nodes()).length, 1);
});

Deno.test("manager init makes a cluster in a missing, in an empty, and in a foreign folder", async () => {
  await using folder = await TempFolder.make();
  await Deno.mkdir(`${folder.path}/empty`, { mode: 0o700 });
  await Deno.mkdir(`${folder.path}/foreign`, { mode: 0o700 });
  await Deno.writeTextFile(`${folder.path}/foreign/README`, "hello");
  for (const name of ["missing/deep", "empty", "foreign"]) {
    await using manager = new Swarmd([
      ...["manager", "init", "--listen-addr=127.0.0.1:0", "--json"],
      `--state-dir=${folder.path}/${name}`,
    ]);
    await manager.waitFor("ready");
    assertEquals((await manager.stop()).code, 0);
  }
});

Deno.test("manager init leaves nothing behind when its command line is wrong", async () => {
  await using folder = await TempFolder.make();
  const dir = `${folder.path}/new`;
  for (
    const [wrong, wanted] of [
      [["--cert-expiry=10s"], /--drill/],
      [["--cert-expiry=59m"], /1h/],
      [["--cert-expiry=9s", "--drill"], /10s/],
      [["--cert-expiry=soon"], /soon/],
      [["--listen-addr=nowhere"], /HOST:PORT/],
      [["--listen-addr=127.0.0.1:65536"], /65536/],
      [["--advertise-addr=0.0.0.0"], /wildcard/],
      [["--no-such-flag"], /no-such-flag/],
      [["an-argument"], /an-argument/],
    ] as const
  ) {
    const { code, stdout, stderr } = await init(dir, ...wrong);
    assertEquals(code, 2, `${wrong}: ${stderr}`);
    assertEquals(stdout, "");
    assertMatch(stderr, /^swarmd: error: /);
    assertMatch(stderr, wanted);
    assertEquals(await namesIn(folder.path), []);
  }
});

const BUSY = 20;

Deno.test("manager init can be repeated after it found the port busy", async () => {
  await using folder = await TempFolder.make();
  const dir = `${folder.path}/new`;
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const { code, stderr } = await init(dir, `--listen-addr=127.0.0.1:${port}`);
  assertEquals(code, BUSY, stderr);
  assertStringIncludes(
    stderr,
    `Cannot listen on 127.0.0.1:${port}: another program listens there\n`,
  );
  assertMatch(stderr, /^swarmd: hint: /m);
  await using again = new Swarmd([
    ...["manager", "init", "--listen-addr=127.0.0.1:0", "--json"],
    `--state-dir=${dir}`,
  ]);
  await again.waitFor("ready");
});

/** A well-formed token of no cluster. */
async function someToken(): Promise<string> {
  await using cluster = await Cluster.start();
  return cluster.tokens.worker;
}
