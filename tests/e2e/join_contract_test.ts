import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { Cluster } from "./cluster.ts";
import { swarmd } from "./harness.ts";
import { Relay } from "./relay.ts";
import { treeOf } from "./tree.ts";

const UNVERIFIED = 12;
const CONFLICT = 16;
const DAMAGED = 6;

/** What an identity is made of; the lock says only who was there last. */
async function identityOf(dir: string): Promise<string[]> {
  const lines = await treeOf(dir);
  return lines.filter((line) => /^\.\/(certificates|identities)/.test(line));
}

async function countWorkers(cluster: Cluster): Promise<number> {
  const nodes = await cluster.nodes();
  return nodes.filter(({ role }) => role === "worker").length;
}

Deno.test("a join that is killed right after joined is repeated as the same node", async () => {
  await using cluster = await Cluster.start();
  const first = cluster.join("a");
  const joined = await first.waitFor("joined");
  await first.kill();
  const again = cluster.join("a");
  const connected = await again.waitFor("connected");
  assertEquals(connected["node"], joined["node"]);
  assertEquals(await countWorkers(cluster), 1);
});

Deno.test("a join whose answer was lost is repeated as the same node", async () => {
  await using cluster = await Cluster.start();
  await using relay = new Relay(cluster.port, { answerDelayMs: 150 });
  const managers = [relay.address];
  const issued = new Set<unknown>();
  for (let lost = 0; lost < 3; lost++) {
    const after = cluster.manager.log.length;
    const worker = cluster.join("a", { managers });
    const line = await cluster.manager.waitForLog(
      ({ message, role }) =>
        message === "Certificate issued" && role === "worker",
      { after },
    );
    // The answer is on its way still.
    await worker.kill();
    assertEquals(worker.events, []);
    issued.add(line["node"]);
  }
  const connected = await cluster.join("a", { managers }).waitFor("connected");
  issued.add(connected["node"]);
  assertEquals(issued.size, 1);
  assertEquals(await countWorkers(cluster), 1);
});

Deno.test("join in a directory whose identity is good resumes it, asking for nothing", async () => {
  await using cluster = await Cluster.start();
  const first = await cluster.connectedWorker("a");
  const [joined] = first.events;
  await first.stop();
  const before = await identityOf(cluster.dir("a"));
  const again = cluster.join("a");
  const connected = await again.waitFor("connected");
  assertEquals(connected["node"], joined?.["node"]);
  assertEquals(again.events.map(({ event }) => event), ["connected"]);
  assertEquals(await identityOf(cluster.dir("a")), before);
  assertEquals(await countWorkers(cluster), 1);
});

/** The token that the cluster shows now. */
async function presentToken(cluster: Cluster): Promise<string> {
  const dir = `--state-dir=${cluster.dir()}`;
  const shown = await swarmd(["token", "show", "worker", "--quiet", dir]);
  assertEquals(shown.code, 0, shown.stderr);
  return shown.stdout.trim();
}

Deno.test("join with the present token is the same node after the root changed while it was off", async () => {
  await using cluster = await Cluster.start();
  const first = await cluster.connectedWorker("a");
  await first.stop();
  await cluster.ask("ca", "rotate", "--detach");
  await cluster.ask("ca", "finish");
  const watch = ["ca", "status", "--watch", "--json"];
  const ended = await swarmd([...watch, `--state-dir=${cluster.dir()}`]);
  assertEquals(ended.code, 0, ended.stderr);
  const token = await presentToken(cluster);
  assert(token !== cluster.tokens.worker);
  const again = cluster.join("a", { token });
  const connected = await again.waitFor("connected");
  assertEquals(connected["node"], first.events[0]?.["node"]);
  await again.waitFor("root-changed");
  assertEquals(await countWorkers(cluster), 1);
});

Deno.test("run and join refuse a damaged identity by file, and remove nothing", async () => {
  await using cluster = await Cluster.start();
  const first = await cluster.connectedWorker("a");
  await first.stop();
  for (
    const name of ["swarm-node.key", "swarm-node.crt", "swarm-root-ca.crt"]
  ) {
    const path = `${cluster.dir("a")}/certificates/${name}`;
    const whole = await Deno.readTextFile(path);
    const body = whole.replace(/^[A-Za-z0-9+/=]{16}/m, "!".repeat(16));
    for (const damage of ["garbage", body]) {
      await Deno.writeTextFile(path, damage);
      const before = await identityOf(cluster.dir("a"));
      for (const start of ["join", "runWorker"] as const) {
        const { code, stderr } = await cluster[start]("a").waitForEnd();
        assertEquals(code, DAMAGED, stderr);
        assertStringIncludes(stderr, name);
      }
      assertEquals(await identityOf(cluster.dir("a")), before);
    }
    await Deno.writeTextFile(path, whole);
  }
  const back = await cluster.runWorker("a").waitFor("connected");
  assertEquals(back["node"], first.events[0]?.["node"]);
});

Deno.test("worker run resumes without a token", async () => {
  await using cluster = await Cluster.start();
  const first = await cluster.connectedWorker("a");
  await first.kill();
  const again = cluster.runWorker("a");
  const connected = await again.waitFor("connected");
  assertEquals(connected["node"], first.events[0]?.["node"]);
});

Deno.test("join with a token of another cluster, at that cluster, makes a node of that", async () => {
  await using here = await Cluster.start();
  await using there = await Cluster.start();
  const first = await here.connectedWorker("a");
  await first.stop();
  const options = { token: there.tokens.worker, managers: [there.listen] };
  const moved = here.join("a", options);
  const joined = await moved.waitFor("joined");
  await moved.waitFor("connected");
  const before = first.events[0]?.["node"];
  assert(joined["node"] !== before);
  await moved.waitForLog(({ level, node, cluster }) =>
    /^warn/i.test(String(level)) && node === before && cluster === here.id
  );
  await there.node(String(joined["node"]), ({ status }) => status === "ready");
});

Deno.test("a join that fails never harms the identity that was there", async () => {
  await using cluster = await Cluster.start();
  await using other = await Cluster.start();
  const first = await cluster.connectedWorker("a");
  await first.stop();
  const before = await identityOf(cluster.dir("a"));
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr as Deno.NetAddr;
  const foreign = other.tokens.worker;
  const [head] = foreign.split(/-(?=[^-]*$)/);
  for (
    const [what, token, manager, code] of [
      ["a wrong root", foreign, cluster.listen, UNVERIFIED],
      ["nobody there", foreign, "127.0.0.1:1", 10],
      ["no TLS there", foreign, `127.0.0.1:${await helloServer()}`, undefined],
      ["a wrong secret", `${head}-${"0".repeat(25)}`, other.listen, 11],
      ["a malformed token", "SWMTKN-1-x-y", cluster.listen, 11],
    ] as const
  ) {
    const process = cluster.join("a", { token, managers: [manager] });
    const ended = await process.waitForEnd();
    assert(ended.code !== 0, what);
    if (code !== undefined) assertEquals(ended.code, code, ended.stderr);
    assertEquals(await identityOf(cluster.dir("a")), before, what);
  }
  const killed = cluster.join("a", {
    token: foreign,
    managers: [`127.0.0.1:${port}`],
  });
  using _asked = await silent.accept();
  await killed.kill();
  assertEquals(await identityOf(cluster.dir("a")), before);
  const back = cluster.runWorker("a");
  const connected = await back.waitFor("connected");
  assertEquals(connected["node"], first.events[0]?.["node"]);
});

Deno.test("run refuses an identity that was made on another machine, and join makes a new node there", async () => {
  await using cluster = await Cluster.start();
  const first = await cluster.connectedWorker("a");
  await first.stop();
  const run = cluster.runWorker("a", { machine: "another" });
  const { code, stderr } = await run.waitForEnd();
  assertEquals(code, CONFLICT, stderr);
  assertMatch(stderr, /another machine/);
  const join = cluster.join("a", { machine: "another" });
  const joined = await join.waitFor("joined");
  assert(joined["node"] !== first.events[0]?.["node"]);
  assertEquals(await countWorkers(cluster), 2);
});

Deno.test("a copied image never becomes the same node, whichever of the two is first", async () => {
  await using cluster = await Cluster.start();
  // The key is made, and nothing more: then the image is taken.
  const image = cluster.join("image", { managers: ["127.0.0.1:1"] });
  await image.waitForEnd();
  const copy = new Deno.Command("cp", {
    args: ["-a", cluster.dir("image"), cluster.dir("copy")],
  });
  assert((await copy.output()).success);
  const nodes = [];
  for (const name of ["copy", "image"]) {
    const worker = cluster.join(name, { machine: `machine of ${name}` });
    nodes.push((await worker.waitFor("joined"))["node"]);
    await worker.waitFor("connected");
  }
  assert(nodes[0] !== nodes[1]);
  assertEquals(await countWorkers(cluster), 2);
});

Deno.test("the token comes from --token-file, --token, or SWARMD_TOKEN", async () => {
  await using cluster = await Cluster.start();
  const token = cluster.tokens.worker;
  const file = cluster.dir("token");
  await Deno.writeTextFile(file, `${token}\n`, { mode: 0o600 });
  const wrong = "SWMTKN-1-wrong-wrong";
  for (
    const [name, args, env] of [
      ["file", [`--token-file=${file}`], { SWARMD_TOKEN: wrong }],
      ["flag", [`--token=${token}`], { SWARMD_TOKEN: wrong }],
      ["env", [], { SWARMD_TOKEN: token }],
    ] as const
  ) {
    const dir = `--state-dir=${cluster.dir(name)}`;
    const join = ["worker", "join", "--json", dir, ...args, cluster.listen];
    const worker = cluster.start(join, { env });
    await worker.waitFor("connected");
  }
});

Deno.test("without a token and without a terminal, join says where to put it, at once", async () => {
  await using cluster = await Cluster.start();
  const dir = `--state-dir=${cluster.dir("a")}`;
  const { code, stderr } = await swarmd(
    ["worker", "join", dir, cluster.listen],
    { timeoutMs: 5_000 },
  );
  assertEquals(code, 2);
  assertStringIncludes(stderr, "--token-file");
  assertStringIncludes(stderr, "SWARMD_TOKEN");
});

Deno.test("at a terminal join asks for the token and does not echo it", async () => {
  await using cluster = await Cluster.start();
  const dir = `--state-dir=${cluster.dir("a")}`;
  const worker = cluster.start(["worker", "join", dir, cluster.listen], {
    // Gives the program a terminal, and types there what is typed to it.
    under: (command) => ["script", "-qec", shellWords(command), "/dev/null"],
    typed: true,
  });
  await worker.waitForText("token");
  await worker.type(`${cluster.tokens.worker}\n`);
  await worker.waitForText("connected to manager");
  assert(!worker.stdout.includes("SWMTKN"), worker.stdout);
});

Deno.test("join reaches a manager by IPv4, IPv6 and host name, and tries each of several", async () => {
  await using cluster = await Cluster.start({
    listen: "[::]:0",
    init: ["--advertise-addr=localhost"],
  });
  const { port } = cluster;
  for (
    const [name, managers] of [
      ["v4", [`127.0.0.1:${port}`]],
      ["v6", [`[::1]:${port}`]],
      ["name", [`localhost:${port}`]],
      ["second", ["127.0.0.1:1", `[::1]:${port}`]],
    ] as const
  ) {
    const worker = cluster.join(name, { managers });
    await worker.waitFor("connected");
  }
  assertEquals(await countWorkers(cluster), 4);
});

/** The port of a server that greets in clear text, once. */
function helloServer(): Promise<number> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.accept().then(async (connection) => {
    await connection.write(new TextEncoder().encode("220 hello\r\n"));
    connection.close();
    listener.close();
  });
  return Promise.resolve((listener.addr as Deno.NetAddr).port);
}

function shellWords(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}
