import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromHex, toBase64 } from "../../lib/base/bytes.ts";
import { systemCrypto } from "../../lib/net/system.ts";
import { formatUnlockKey } from "../../lib/pki/unlock_key.ts";
import { Cluster } from "./cluster.ts";
import { type Ended, eventually, Swarmd, swarmd } from "./harness.ts";
import { copyFolder } from "./kill/manager.ts";
import { pkcs8In, secretsIn } from "./secrets.ts";
import { threat } from "./threats.ts";

const KEY_REGEXP = /SWMKEY-1-[0-9a-z-]+/;

/** Starts the manager of a cluster again, and waits until it is locked. */
async function startLocked(cluster: Cluster): Promise<Swarmd> {
  const dir = `--state-dir=${cluster.dir()}`;
  const args = ["manager", "run", "--json", "--log-format=json", dir];
  const manager = cluster.start(args);
  await manager.waitFor("locked");
  return manager;
}

/** Types an unlock key into a command. */
async function unlock(cluster: Cluster, key: string): Promise<Ended> {
  const args = ["unlock", `--state-dir=${cluster.dir()}`];
  await using process = new Swarmd(args, { typed: true });
  await process.type(`${key}\n`);
  return await process.waitForEnd();
}

/** The new unlock key that a command shows before it counts. */
async function newKey(
  cluster: Cluster,
  ...args: readonly string[]
): Promise<string> {
  const dir = `--state-dir=${cluster.dir()}`;
  const { code, stdout, stderr } = await swarmd([...args, "--json", dir]);
  assertEquals(code, 0, stderr);
  const [offered, locked] = stdout.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals([offered.event, locked.event], ["offered", "locked"]);
  assertMatch(offered.unlockKey, KEY_REGEXP);
  return offered.unlockKey;
}

/** Whether anybody accepts connections there. */
async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

Deno.test("a manager with autolock starts locked, serves nothing else, and goes on with the right key", async () => {
  await using cluster = await Cluster.start({ init: ["--autolock"] });
  const key = String(cluster.ready["unlockKey"]);
  assertMatch(key, /^SWMKEY-1-1-/);
  const worker = await cluster.connectedWorker("a");
  assertEquals(await cluster.ask("unlock-key"), { unlockKey: key, version: 1 });
  await cluster.manager.stop();
  await worker.waitFor("disconnected");
  const manager = await startLocked(cluster);
  assertEquals(manager.events[0]?.["keyVersion"], 1);
  assertEquals(await isListening(cluster.port), false);
  const status = await cluster.ask<Record<string, unknown>>("status");
  assertEquals([status["state"], status["keyVersion"]], ["locked", 1]);
  const dir = `--state-dir=${cluster.dir()}`;
  for (
    const args of [["node", "ls"], ["unlock-key"], ["token", "show", "worker"]]
  ) {
    const { code, stdout } = await swarmd([...args, dir]);
    assertEquals([code, stdout], [22, ""], `${args}`);
  }
  const typo = await unlock(
    cluster,
    key.replace(/.$/, (d) => d === "0" ? "1" : "0"),
  );
  assertEquals(typo.code, 22);
  assertMatch(typo.stderr, /mistyped/);
  assert(!typo.stderr.includes(key.slice(0, 20)));
  assertEquals((await unlock(cluster, key)).code, 0);
  // Whoever asks now waits for it.
  assertEquals((await cluster.nodes()).length, 2);
  await manager.waitFor("ready");
  assertEquals(manager.stdout.includes("SWMKEY"), false);
  await eventually(
    "the worker is back",
    async () =>
      (await cluster.nodes()).every(({ status }) => status === "ready") ||
      undefined,
  );
  const twice = await unlock(cluster, key);
  assertEquals(twice.code, 17);
  assert(!manager.stderr.includes(key.slice(9, 30)));
});

Deno.test("turning autolock on, rotating the key and turning it off seal everything anew", async () => {
  await using cluster = await Cluster.start();
  const dir = cluster.dir();
  const openKey = await Deno.readTextFile(`${dir}/cluster.key`);
  const plain = await pkcs8In(dir);
  const before = await secretsIn(dir);
  assertEquals(before.length, 3);
  const first = await newKey(cluster, "cluster", "update", "--autolock=on");
  assertMatch(first, /^SWMKEY-1-2-/);
  // Nothing open, and nothing as it was.
  await assertNowhere(dir, [...before, openKey.slice(2, -1), ...plain.forms]);
  const locked = await secretsIn(dir);
  const second = await newKey(cluster, "unlock-key", "--rotate");
  assertMatch(second, /^SWMKEY-1-3-/);
  await assertNowhere(dir, [...before, ...locked, ...plain.forms]);
  const shown = await cluster.ask<{ unlockKey: string }>("unlock-key");
  assertEquals(shown.unlockKey, second);
  await cluster.manager.stop();
  const manager = await startLocked(cluster);
  const old = await unlock(cluster, first);
  assertEquals(old.code, 22);
  assertMatch(
    old.stderr,
    /the unlock key of version 3 is wanted, that of version 2 is given/,
  );
  assertEquals((await unlock(cluster, second)).code, 0);
  const { stdout } = await swarmd([
    "audit",
    "tail",
    `--state-dir=${cluster.dir()}`,
  ]);
  assertMatch(stdout, /refused .*that of version 2 is given/);
  await manager.waitFor("ready");
  // The manager's key is the one that it got when autolock was turned on.
  assertEquals(
    manager.log.some(({ message }) => /issued/.test(message)),
    false,
  );
  assertEquals(await cluster.ask("cluster", "update", "--autolock=off"), {
    autolock: false,
  });
  assertMatch(await Deno.readTextFile(`${dir}/cluster.key`), /^3:[^:]+\n$/);
  const { forms: [own] } = await pkcs8In(dir);
  assert(own !== plain.forms[0]);
  const { code } = await swarmd(["unlock-key", `--state-dir=${dir}`]);
  assertEquals(code, 17);
  await manager.stop();
  await cluster.runManager();
  const { joinTokens: _, ...ready } = cluster.ready;
  assertEquals(
    (await cluster.ask<{ cluster: string }>("status")).cluster,
    ready["cluster"],
  );
});

Deno.test("a manager that finds its key unlocks itself; with a wrong one it waits", async () => {
  await using cluster = await Cluster.start({ init: ["--autolock"] });
  const key = String(cluster.ready["unlockKey"]);
  await cluster.manager.stop();
  const folder = cluster.dir("credentials");
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/swarmd-unlock-key`, `${key}\n`);
  const credential = { CREDENTIALS_DIRECTORY: folder };
  const first = await cluster.runManager({ env: credential });
  assertEquals(first.events.map(({ event }) => event), ["ready"]);
  await first.stop();
  const named = { SWARMD_UNLOCK_KEY_FILE: `${folder}/swarmd-unlock-key` };
  await (await cluster.runManager({ env: named })).stop();
  await Deno.writeTextFile(`${folder}/swarmd-unlock-key`, "SWMKEY-1-old\n");
  const args = ["manager", "run", "--json", `--state-dir=${cluster.dir()}`];
  const manager = cluster.start(args, { env: credential });
  await manager.waitFor("locked");
  assertMatch(manager.stderr, /Cannot unlock by itself/);
  // It ends in order while it is locked.
  assertEquals((await manager.stop()).code, 0);
  assertEquals(manager.events.at(-1)?.event, "stopped");
});

threat("locked-backup", async () => {
  await using cluster = await Cluster.start({ init: ["--autolock"] });
  await cluster.connectedWorker("a");
  const loot = cluster.dir("loot");
  await copyFolder(cluster.dir(), loot);
  // Any private key of ours has this in it, however it is written.
  const start = fromHex(
    "308187020100301306072a8648ce3d020106082a8648ce3d030107",
  );
  const forms = [new TextDecoder("latin1").decode(start), toBase64(start)];
  await assertNowhere(loot, [...forms, "-----BEGIN PRIVATE KEY-----"]);
  const { worker, manager } = cluster.tokens;
  const secrets = [worker, manager].map((each) => each.split("-")[3] ?? "");
  await assertNowhere(loot, secrets);
  const args = ["manager", "run", "--json", `--state-dir=${loot}`];
  await cluster.start(args).waitFor("locked");
  const guess = await formatUnlockKey(systemCrypto, {
    version: 1,
    secret: new Uint8Array(32),
  });
  const env = { SWARMD_UNLOCK_KEY_FILE: cluster.dir("guess") };
  await Deno.writeTextFile(env.SWARMD_UNLOCK_KEY_FILE, guess);
  const { code, stderr } = await swarmd(
    ["unlock", `--state-dir=${loot}`],
    { env },
  );
  assertEquals(code, 22);
  assertMatch(stderr, /another one of that version is given/);
});

/** Looks for texts in every file of a state directory. */
async function assertNowhere(
  dir: string,
  texts: readonly string[],
): Promise<void> {
  for await (const { path, text } of files(dir)) {
    for (const [i, each] of texts.entries()) {
      assert(each.length > 20);
      assert(!text.includes(each), `${path} holds text ${i}`);
    }
  }
}

async function* files(
  dir: string,
): AsyncGenerator<{ path: string; text: string }> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(dir)) {
    const path = `${dir}/${name}`;
    if (isDirectory) yield* files(path);
    if (!isFile) continue;
    const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
    yield { path, text };
  }
}
