import { assert, assertEquals, assertMatch } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { type Swarmd, swarmd } from "./harness.ts";

/** What `token create --json` writes. */
interface Created {
  readonly id: string;
  readonly token: string;
  readonly role: string;
  readonly expiresAt: string;
  readonly usesLeft: number;
}

interface TokenLine {
  readonly id: string;
  readonly state: string;
  readonly usesLeft?: number;
}

async function state(cluster: Cluster, id: string): Promise<TokenLine> {
  const lines = await cluster.ask<TokenLine[]>("token", "ls");
  const line = lines.find((each) => each.id === id);
  if (!line) throw new Error(`There is no token ${id}`);
  return line;
}

async function refused(worker: Swarmd, text: RegExp): Promise<void> {
  const { code, stderr } = await worker.waitForEnd();
  assertEquals(code, 11, stderr);
  assertMatch(stderr, text);
}

Deno.test("token create lets in as many machines as it says, and names why not the next", async () => {
  await using cluster = await Cluster.start();
  const made = await cluster.ask<Created>(
    ...["token", "create", "--role", "worker", "--uses", "2", "--ttl", "1m"],
  );
  assertEquals(Object.keys(made).sort(), [
    ...["expiresAt", "id", "role", "token", "usesLeft"],
  ]);
  const { id, token } = made;
  // Five machines race for two places.
  const racers = ["a", "b", "c", "d", "e"].map((n) =>
    cluster.join(n, { token })
  );
  const outcomes = await Promise.all(racers.map(async (each) => {
    for await (const { event } of each) if (event === "joined") return "in";
    const { code, stderr } = await each.waitForEnd();
    assertMatch(stderr, /the token is used up/);
    return code;
  }));
  assertEquals(outcomes.map(String).sort(), ["11", "11", "11", "in", "in"]);
  assertEquals((await cluster.nodes()).length, 3);
  assertEquals((await state(cluster, id)).state, "used-up");
  // A node that goes gives no place back.
  const [gone] = (await cluster.nodes()).filter(({ role }) =>
    role === "worker"
  );
  await cluster.ask("node", "rm", "--force", gone?.id ?? "");
  await refused(cluster.join("f", { token }), /the token is used up/);
});

Deno.test("a created token is for one host name, and can be revoked", async () => {
  await using cluster = await Cluster.start();
  const create = (...args: string[]) =>
    cluster.ask<Created>("token", "create", ...args);
  const named = await create("--name", "nobody-is-called-so", "--uses", "9");
  const by = (token: string, name: string) => cluster.join(name, { token });
  await refused(
    by(named.token, "a"),
    /is for a machine called .{1,2}nobody-is-called-so/,
  );
  const mine = await create("--name", Deno.hostname());
  await by(mine.token, "a").waitFor("connected");
  const gone = await create("--uses", "9");
  await cluster.ask("token", "revoke", gone.id.slice(0, 10));
  await refused(by(gone.token, "b"), /the token was revoked/);
  const { code } = await swarmd([
    ...["token", "revoke", "nobody", `--state-dir=${cluster.dir()}`],
  ]);
  assertEquals(code, 18);
  // A stranger with an invented secret hears nothing of that.
  const guess = `${mine.token.slice(0, -25)}${"1".repeat(25)}`;
  await refused(by(guess, "c"), /does not know this token/);
});

Deno.test("token rotate voids the old standing token, token disable does without", async () => {
  await using cluster = await Cluster.start();
  const stays = await cluster.connectedWorker("stays");
  const { token } = await cluster.ask<Created>("token", "rotate", "worker");
  await refused(cluster.join("a"), /does not know this token/);
  await cluster.join("b", { token }).waitFor("connected");
  await cluster.ask("token", "disable", "worker");
  await refused(
    cluster.join("c", { token }),
    /the standing token of this role is disabled/,
  );
  const dir = `--state-dir=${cluster.dir()}`;
  const shown = await swarmd(["token", "show", "worker", dir]);
  assertEquals(shown.code, 17);
  assertMatch(shown.stderr, /is disabled.*\n.*token rotate worker/);
  const { token: next } = await cluster.ask<Created>(
    ...["token", "rotate", "worker"],
  );
  await cluster.join("c", { token: next }).waitFor("connected");
  assertEquals(stays.events.map(({ event }) => event), ["joined", "connected"]);
  // The same after a restart: what is void stays void.
  await cluster.manager.kill();
  await cluster.runManager();
  await refused(cluster.join("d", { token }), /does not know this token/);
});

Deno.test("no created secret is on the manager's disk, and a use is counted once over a kill", async () => {
  await using cluster = await Cluster.start();
  const made = await cluster.ask<Created>("token", "create", "--uses", "3");
  const secret = made.token.slice(-25);
  const worker = await cluster.connectedWorker("a", { token: made.token });
  await worker.kill();
  await cluster.manager.kill();
  for await (const { name, isFile } of Deno.readDir(cluster.dir())) {
    if (!isFile) continue;
    const bytes = await Deno.readFile(`${cluster.dir()}/${name}`);
    assert(!new TextDecoder("latin1").decode(bytes).includes(secret), name);
  }
  await cluster.runManager();
  // Its identity is good: joining again with the token is going on with it.
  const again = cluster.join("a", { token: made.token });
  const { node } = await again.waitFor("connected");
  assertEquals(node, worker.events[0]?.["node"]);
  assertEquals((await state(cluster, made.id)).usesLeft, 2);
});
