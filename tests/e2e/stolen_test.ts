import { assert, assertEquals, assertMatch } from "@std/assert";
import { METHODS, PUSHES } from "../../lib/rpc/methods.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { eventually, swarmd, within } from "./harness.ts";
import { anyId, newSession, type RawAnswer, RawPeer } from "./raw_peer.ts";
import { type ClientPair, dialDeno } from "./raw_tls.ts";
import { refusedAs, says, Stage } from "./stage.ts";
import { threat } from "./threats.ts";
import { copyEntries, namesIn } from "./tree.ts";

const NOT_INITIALISED = 3;
const DAMAGED = 6;
const CONFLICT = 16;
const DESCRIPTION = { hostname: "h", os: "o", arch: "a", version: "v" };

/** A key of one's own, and a request for it. */
async function newKey() {
  await using folder = await OpensslFolder.create();
  await folder.run(
    "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout key.pem -outform DER -out csr.der",
  );
  const csr = await Deno.readFile(`${folder.path}/csr.der`);
  return { csr: csr.toBase64(), key: await folder.read("key.pem") };
}

function pemOf(base64: string): string {
  const lines = base64.match(/.{1,64}/g) ?? [];
  const body = lines.join("\n");
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
}

/** Renews on a connection that holds a session, as a thief would. */
async function renewByHand(peer: RawPeer): Promise<ClientPair> {
  const { csr, key } = await newKey();
  let n = 0;
  const answer = await eventually("a certificate", async () => {
    const said = await peer.ask("node.renew", { csr }, { n: ++n });
    // A node does not get one right after another.
    if (said.kind === "error" && said.code === "too-busy") return undefined;
    return said;
  });
  assert(answer.kind === "result", JSON.stringify(answer));
  const [leaf = ""] = answer.result["chain"] as string[];
  return { cert: pemOf(leaf), key };
}

function codeOf(answer: RawAnswer): string {
  return answer.kind === "error" ? answer.code : answer.kind;
}

/** Renews by hand; gives both pairs, the new one in use since just now. */
async function replaceByHand(stage: Stage) {
  await stage.victim();
  const old = await stage.pairOf("victim");
  const { session } = newSession();
  await using holder = await stage.dial(old);
  assertEquals((await holder.hello({ session })).kind, "result");
  const fresh = await renewByHand(holder);
  const idle = await stage.dial(old);
  assertEquals((await idle.hello()).kind, "result");
  await using successor = await stage.dial(fresh);
  const hello = await successor.hello({
    session: { ...session as object, resume: true },
  });
  assert(hello.kind === "result", JSON.stringify(hello));
  return { old, fresh, idle };
}

threat("previous-key", async () => {
  await using stage = await Stage.set({ life: "60s" });
  const { old, idle } = await replaceByHand(stage);
  await using _ = idle;
  await stage.logged(async () => {
    assertEquals(codeOf(await stage.greet(old)), "replaced");
  }, refusedAs("replaced"));
  for (const method of ["node.renew", "node.register", "join", "ca.root"]) {
    await using peer = await stage.dial(old);
    await peer.hello();
    const code = codeOf(await peer.ask(method, {}));
    // Calls of a session are not even looked at outside one.
    const refusals = ["replaced", "role", "bad-message"];
    assert(refusals.includes(code), `${method}: ${code}`);
  }
});

// W4: a certificate that was replaced dies with its overlap.
threat("replaced", async () => {
  await using stage = await Stage.set({ life: "30s" });
  const { old, fresh, idle } = await replaceByHand(stage);
  await using _ = idle;
  // The overlap of so short a life is 3 s: told to move, then cut.
  await stage.logged(() => idle.ended(), refusedAs("replaced"));
  assertMatch(idle.received, /"move"/);
  assertMatch(idle.received, /"close".*"replaced"/);
  await stage.logged(async () => {
    assertEquals(codeOf(await stage.greet(old)), "replaced");
  }, refusedAs("replaced"));
  assertEquals((await stage.greet(fresh)).kind, "result");
});

threat("anonymous-calls", async () => {
  await using stage = await Stage.set();
  const allowed = ["hello", "ca.root", "ca.succession", "join"];
  const ca = await stage.root();
  const names = [...Object.keys(METHODS), ...Object.keys(PUSHES), "no.such"];
  for (const name of names.filter((each) => !allowed.includes(each))) {
    for (const carriage of [{}, { n: 1 }]) {
      await using peer = new RawPeer(await dialDeno({ port: stage.port, ca }));
      // A session that a stranger asks for is not even looked at.
      const hello = await peer.hello(newSession());
      if (hello.kind === "result") {
        assertEquals(hello.result["session"], undefined);
      }
      await using other = new RawPeer(await dialDeno({ port: stage.port, ca }));
      await other.hello();
      const code = codeOf(await other.ask(name, {}, carriage));
      const known = Object.hasOwn(METHODS, name);
      assertEquals(code, known ? "anonymous" : "unknown-method", name);
    }
  }
  const { log } = stage.cluster.manager;
  assert(log.some(refusedAs("anonymous")));
  assert(log.some(refusedAs("unknown-method")));
  await using peer = new RawPeer(await dialDeno({ port: stage.port, ca }));
  await peer.hello();
  const digest = stage.cluster.ready["rootDigest"];
  assertEquals((await peer.ask("ca.root", { digest })).kind, "result");
  // One call, and no more.
  assertEquals(codeOf(await peer.ask("ca.root", { digest })), "cut");
});

threat("worker-calls", async () => {
  await using stage = await Stage.set();
  await stage.victim();
  const pair = await stage.pairOf("victim");
  const names = [...Object.keys(METHODS), "no.such"];
  for (const name of names) {
    const callers: readonly string[] = Object.hasOwn(METHODS, name)
      ? METHODS[name as keyof typeof METHODS].callers
      : [];
    if (callers.includes("worker")) continue;
    const wanted = name === "no.such" ? "unknown-method" : "role";
    await using outside = await stage.dial(pair);
    await outside.hello();
    await stage.logged(async () => {
      assertEquals(codeOf(await outside.ask(name, {})), wanted, name);
    }, refusedAs(wanted));
    await using inside = await stage.dial(pair);
    assertEquals((await inside.hello(newSession())).kind, "result");
    assertEquals(codeOf(await inside.ask(name, {}, { n: 1 })), wanted, name);
  }
});

threat("worker-http", async () => {
  await using stage = await Stage.set();
  await stage.victim();
  const get = async (path: string, name?: string) => {
    const dir = `${stage.cluster.dir(name)}/certificates`;
    const own = ["--cert", `${dir}/swarm-node.crt`, "--key"];
    const key = `${dir}/swarm-node.key`;
    const args = ["-s", "-w", "%{http_code}", "--cacert"];
    const root = `${stage.cluster.dir()}/certificates/swarm-root-ca.crt`;
    const url = `https://${stage.cluster.listen}${path}`;
    const { stdout } = await new Deno.Command("curl", {
      args: [...args, root, ...name ? [...own, key] : [], url],
    }).output();
    return new TextDecoder().decode(stdout);
  };
  for (const name of [undefined, "victim", "manager"]) {
    const trusted = name === "manager";
    assertMatch(await get("/v1/ca", name), /BEGIN CERTIFICATE.*200$/);
    for (const path of ["/v1/nodes", "/v1/status"]) {
      const text = await get(path, name);
      assertMatch(text, trusted ? /200$/ : /40[13]$/, `${name} ${path}`);
      assertEquals(
        text.includes(stage.cluster.listen),
        trusted && /status/.test(path),
      );
    }
    for (
      const path of ["/v1/tokens/worker", "/v1/tokens/manager", "/v1/drill"]
    ) {
      const text = await get(path, name);
      assertMatch(text, /40[134]$/, `${name} ${path}`);
      assert(!text.includes("SWMTKN"));
    }
  }
  const { log } = stage.cluster.manager;
  for (const code of ["anonymous", "role"]) {
    assert(
      log.some((line) =>
        line.message === "HTTP request refused" && line["code"] === code
      ),
    );
  }
});

threat("worker-key", async () => {
  await using stage = await Stage.set();
  const { cluster } = stage;
  const id = await stage.victim("owner");
  const names = await namesIn(cluster.dir("owner"));
  await copyEntries(names, {
    from: cluster.dir("owner"),
    to: cluster.dir("thief"),
  });
  const machine = "owner";
  const owner = cluster.runWorker("owner", { machine });
  await owner.waitFor("connected");
  const thief = cluster.runWorker("thief", { machine });
  const lost = await owner.waitFor("disconnected");
  assertMatch(String(lost["reason"]), /taken over by a connection from 127/);
  const row = await cluster.node(id, ({ status }) => status === "conflict");
  assertEquals(row.role, "worker");
  const line = await cluster.manager.waitForLog(refusedAs("conflict"));
  assertEquals(line["node"], id);
  await cluster.manager.waitForLog((each) =>
    /two machines use/i.test(String(each["why"]))
  );
  for (const process of [owner, thief]) {
    await process.waitForLog((each) =>
      /two machines use/i.test(JSON.stringify(each))
    );
  }
});

threat("old-image", async () => {
  await using stage = await Stage.set({ life: "30s" });
  // What lies in the victim's directory is from before this renewal.
  const { fresh, idle } = await replaceByHand(stage);
  await using _ = idle;
  await using owner = await stage.dial(fresh);
  assertEquals((await owner.hello(newSession())).kind, "result");
  const { cluster } = stage;
  const image = cluster.runWorker("victim");
  await stage.logged(
    () => image.waitForLog((line) => /replaced/.test(JSON.stringify(line))),
    refusedAs("replaced"),
  );
  const events = new Set(image.events.map(({ event }) => event));
  assertEquals(events.isSubsetOf(new Set(["pending"])), true);
  assertEquals((await image.stop()).code, 0);
  // The owner's session goes on: nobody took it over.
  await owner.send({ method: "heartbeat", params: { now: Date.now() } });
  let beat;
  do beat = await within("a heartbeat", owner.next()); while (
    beat && beat["method"] !== "heartbeat"
  );
  assert(beat, owner.received);
  const elsewhere = cluster.runWorker("victim", { machine: "elsewhere" });
  const { code, stderr } = await elsewhere.waitForEnd();
  assertEquals(code, CONFLICT, stderr);
});

threat("manager-session", async () => {
  await using stage = await Stage.set();
  const { cluster } = stage;
  const stolen = await stage.pairOf("manager");
  await stage.logged(async () => {
    assertEquals(codeOf(await stage.greet(stolen)), "not-owner");
  }, refusedAs("not-owner"));
  await using outside = await stage.dial(stolen);
  assertEquals((await outside.hello()).kind, "result");
  const { csr } = await newKey();
  assertEquals(codeOf(await outside.ask("node.renew", { csr })), "bad-message");
  assertEquals((await stage.pairOf("manager")).cert, stolen.cert);
  await cluster.manager.waitForLog(says(/uses this manager's own key/));
  const alarms = async () => {
    const { alarms } = await cluster.ask<{ alarms: string[] }>("status");
    return alarms.join();
  };
  assertMatch(await alarms(), /own key: give it another one with/);
  // It renews by itself: there is no session that could be asked.
  const id = String(cluster.ready["node"]);
  const renewed = await cluster.ask("node", "renew", id);
  assertEquals(renewed, { asked: [id], absent: [], refused: [] });
  assert((await stage.pairOf("manager")).cert !== stolen.cert);
  assertEquals(await alarms(), "");
  assertEquals(codeOf(await stage.greet(stolen)), "replaced");
});

/** What a hand-written client gets for a token. */
async function redeem(stage: Stage, token: string): Promise<RawAnswer> {
  const ca = await stage.root();
  await using peer = new RawPeer(await dialDeno({ port: stage.port, ca }));
  await peer.hello();
  const { csr } = await newKey();
  const secret = token.split("-").at(-1) ?? "";
  return await peer
    .ask("join", { secret, csr, description: DESCRIPTION, role: "manager" });
}

threat("worker-token", async () => {
  await using stage = await Stage.set();
  const { tokens } = stage.cluster;
  const answer = await redeem(stage, tokens.worker);
  assert(answer.kind === "result", JSON.stringify(answer));
  assertEquals(answer.result["role"], "worker");
  const known = (await stage.cluster.nodes()).map(({ id }) => id);
  assert(known.includes(String(answer.result["node"])));
  // Another's secret, of the same length.
  await stage.logged(async () => {
    assertEquals(codeOf(await redeem(stage, `x-${anyId()}`)), "token-refused");
  }, refusedAs("token-refused"));
});

threat("manager-token", async () => {
  await using stage = await Stage.set();
  const { tokens } = stage.cluster;
  const answer = await redeem(stage, tokens.manager);
  assert(answer.kind === "result", JSON.stringify(answer));
  assertEquals(answer.result["role"], "manager");
  const node = await stage.cluster.node(String(answer.result["node"]));
  assertEquals(node.role, "manager");
});

threat("database", async () => {
  await using stage = await Stage.set();
  const { cluster } = stage;
  await cluster.manager.stop();
  const bytes = await Deno.readFile(`${cluster.dir()}/swarmd.db`);
  const text = new TextDecoder("latin1").decode(bytes);
  for (const token of Object.values(cluster.tokens)) {
    const secret = token.split("-").at(-1) ?? "";
    assert(!text.includes(secret));
  }
  assert(!text.includes("PRIVATE KEY"));
  await copyEntries(["swarmd.db", "state.json", "certificates", "identities"], {
    from: cluster.dir(),
    to: cluster.dir("loot"),
  });
  const run = ["manager", "run", `--state-dir=${cluster.dir("loot")}`];
  const bare = await swarmd(run);
  assertEquals(bare.code, NOT_INITIALISED, bare.stderr);
  assertMatch(bare.stderr, /holds no cluster, only/);
  await Deno.writeTextFile(
    `${cluster.dir("loot")}/cluster.key`,
    `1:${crypto.getRandomValues(new Uint8Array(32)).toBase64()}\n`,
    { mode: 0o600 },
  );
  const { code, stderr } = await swarmd(run);
  assertEquals(code, DAMAGED, stderr);
  assertMatch(stderr, /key version 1/);
});
