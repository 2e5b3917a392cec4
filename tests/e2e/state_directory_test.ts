import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { socketPath } from "../../lib/disk/socket_path.ts";
import { Cluster } from "./cluster.ts";
import { Swarmd, swarmd, TempFolder } from "./harness.ts";
import { modeOf, namesIn } from "./tree.ts";

const LOCKED = 5;
const CERTIFICATE_FILES = [
  ...["swarm-node.crt", "swarm-node.key", "swarm-root-ca.crt"],
];

Deno.test("the state directory has the layout and the modes of the contract", async () => {
  await using cluster = await Cluster.start();
  await cluster.connectedWorker("worker");
  assert((await namesIn(cluster.dir())).includes("swarmd.db"));
  assertEquals(await modeOf(`${cluster.dir()}/swarmd.db`), "0600");
  assertEquals(await modeOf(`${cluster.dir()}/cluster.key`), "0600");
  for (const name of ["manager", "worker"]) {
    const dir = cluster.dir(name);
    assertEquals(await modeOf(dir), "0700");
    assertEquals(await modeOf(`${dir}/state.json`), "0600");
    const link = await Deno.readLink(`${dir}/certificates`);
    assert(!link.startsWith("/"), `${link} is no relative link`);
    const folder = `${dir}/${link}`;
    assertEquals(await namesIn(folder), CERTIFICATE_FILES);
    assertEquals(await modeOf(`${folder}/swarm-root-ca.crt`), "0644");
    assertEquals(await modeOf(`${folder}/swarm-node.crt`), "0644");
    assertEquals(await modeOf(`${folder}/swarm-node.key`), "0600");
    const key = await Deno.readTextFile(`${folder}/swarm-node.key`);
    assertMatch(key, /^-----BEGIN PRIVATE KEY-----\n/);
    const chain = await Deno.readTextFile(`${folder}/swarm-node.crt`);
    assertMatch(chain, /^-----BEGIN CERTIFICATE-----\n/);
  }
});

Deno.test("the modes do not follow the umask", async () => {
  await using folder = await TempFolder.make();
  for (const umask of ["0000", "0077"]) {
    const dir = `${folder.path}/${umask}`;
    await using manager = new Swarmd([
      ...["manager", "init", "--listen-addr=127.0.0.1:0", "--json"],
      `--state-dir=${dir}`,
    ], {
      under: (command) => [
        ...["sh", "-c", `umask ${umask}; exec "$@"`, "sh"],
        ...command,
      ],
    });
    await manager.waitFor("ready");
    assertEquals(await modeOf(dir), "0700");
    assertEquals(await modeOf(`${dir}/cluster.key`), "0600");
    assertEquals(await modeOf(`${dir}/swarmd.db`), "0600");
    const files = `${dir}/certificates`;
    assertEquals(await modeOf(`${files}/swarm-node.key`), "0600");
    assertEquals(await modeOf(`${files}/swarm-node.crt`), "0644");
    await manager.stop();
  }
});

Deno.test("a renewal renames the link over, and key and certificate always belong together", async () => {
  await using cluster = await Cluster.start({ life: "15s" });
  const worker = await cluster.connectedWorker("worker");
  const dir = cluster.dir("worker");
  const before = await Deno.readLink(`${dir}/certificates`);
  // A reader resolves the link once; what it then reads must match, always.
  let reads = 0;
  const renewed = worker.waitFor("renewed");
  let done = false;
  renewed.finally(() => done = true).catch(() => {});
  while (!done) {
    const folder = await Deno.realPath(`${dir}/certificates`);
    try {
      const path = `${folder}/swarm-node`;
      assertEquals(
        await publicKey("x509", "-noout", "-pubkey", "-in", `${path}.crt`),
        await publicKey("pkey", "-pubout", "-in", `${path}.key`),
      );
      reads++;
    } catch (error) {
      // The old folder goes when the new one is confirmed.
      if (await Deno.realPath(`${dir}/certificates`) === folder) throw error;
    }
  }
  await renewed;
  assert(reads > 20, `only ${reads} reads`);
  assert(await Deno.readLink(`${dir}/certificates`) !== before);
  assertEquals((await namesIn(`${dir}/identities`)).length, 1);
});

Deno.test("a second process on a state directory is refused, and told who holds it", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("worker");
  const join = ["worker", "join", `--token=${cluster.tokens.worker}`];
  for (
    const [args, name, holder, command] of [
      [["manager", "run"], "manager", cluster.manager.pid, "manager init"],
      [["worker", "run"], "worker", worker.pid, "worker join"],
      [[...join, cluster.listen], "worker", worker.pid, "worker join"],
    ] as const
  ) {
    const dir = `--state-dir=${cluster.dir(name)}`;
    const { code, stderr } = await swarmd([...args, dir]);
    assertEquals(code, LOCKED, stderr);
    assertStringIncludes(stderr, `process ${holder}`);
    assertStringIncludes(stderr, command);
    assert(!stderr.includes("SWMTKN"), stderr);
  }
});

Deno.test("a lock ends with its process, however that ended", async () => {
  await using cluster = await Cluster.start();
  await cluster.manager.kill();
  await cluster.runManager();
  assertEquals((await cluster.nodes()).length, 1);
});

Deno.test("operators are answered over HTTP on a socket that only the owner reaches", async () => {
  await using cluster = await Cluster.start();
  await cluster.connectedWorker("worker");
  for (const name of ["manager", "worker"]) {
    const socket = `${cluster.dir(name)}/swarmd.sock`;
    const { code, stdout } = await curl(socket, "/v1/status");
    assertEquals(code, 0);
    assertEquals(JSON.parse(stdout).role, name);
    assertEquals((await curl(socket, "/v1/nonsense", "-f")).code, 22);
  }
});

Deno.test({
  name: "another user does not reach the socket",
  // Only root can become somebody else.
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using cluster = await Cluster.start();
    const socket = `${cluster.dir()}/swarmd.sock`;
    // The folder of the test is the last that keeps others out before.
    await Deno.chmod(cluster.dir("."), 0o755);
    const { success } = await new Deno.Command("setpriv", {
      args: [
        ...["--reuid=65534", "--regid=65534", "--clear-groups"],
        ...["curl", "-s", "--unix-socket", socket, "http://x/v1/status"],
      ],
    }).output();
    assertEquals(success, false);
    assertEquals((await curl(socket, "/v1/status")).code, 0);
  },
});

Deno.test("a socket path that is too long falls back to the runtime directory", async () => {
  await using folder = await TempFolder.make();
  const dir = `${folder.path}/${"long-".repeat(24)}`;
  const env = { XDG_RUNTIME_DIR: `${folder.path}/run` };
  await Deno.mkdir(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  await using manager = new Swarmd([
    ...["manager", "init", "--listen-addr=127.0.0.1:0", "--json"],
    `--state-dir=${dir}`,
  ], { env });
  await manager.waitFor("ready");
  const status = ["status", `--state-dir=${dir}`, "--json"];
  const { code, stdout, stderr } = await swarmd(status, { env });
  assertEquals(code, 0, stderr);
  assertEquals(JSON.parse(stdout).role, "manager");
  const names = await namesIn(dir);
  assert(!names.includes("swarmd.sock"), names.join());
  const runtimeDir = Deno.uid() === 0 ? "/run" : env.XDG_RUNTIME_DIR;
  const made = async () =>
    (await namesIn(runtimeDir)).filter((name) => name === folderOf(socket));
  const socket = await socketPath(dir, runtimeDir);
  assertEquals(await made(), [folderOf(socket)]);
  assertEquals((await manager.stop()).code, 0);
  assertEquals((await swarmd(status, { env })).code, 10);
  assertEquals(await made(), []);
});

function folderOf(path: string): string {
  return path.split("/").at(-2) ?? "";
}

async function publicKey(...args: readonly string[]): Promise<string> {
  const command = new Deno.Command("openssl", { args: [...args] });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

async function curl(socket: string, path: string, ...more: string[]) {
  const { code, stdout } = await new Deno.Command("curl", {
    args: ["-s", ...more, "--unix-socket", socket, `http://localhost${path}`],
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout) };
}
