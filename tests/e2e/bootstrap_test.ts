// deno-lint-ignore-file no-console -- tells how long refusals take
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Cluster } from "./cluster.ts";
import { FakeManager, greeting } from "./fake_manager.ts";
import { swarmd, TempFolder } from "./harness.ts";
import { OpensslServer } from "./openssl_server.ts";
import { Relay } from "./relay.ts";
import { Forger, MANAGER_EXTENSIONS, Thief } from "./thief.ts";

const TOKEN_REFUSED = 11;
const UNVERIFIED = 12;
/** A second on an idle machine; tests share theirs. */
const MAX_MS = 5_000;

function secretOf(token: string): string {
  return token.split("-").at(-1) ?? "";
}

async function refusedJoin(token: string, manager: string) {
  await using folder = await TempFolder.make();
  const dir = `--state-dir=${folder.path}/a`;
  const ended = await swarmd(
    ["worker", "join", dir, "--json", "--log-level=debug", manager],
    { env: { SWARMD_TOKEN: token } },
  );
  assert(ended.ms < MAX_MS, `${ended.ms} ms`);
  console.log(`refused in ${Math.round(ended.ms)} ms`);
  assertEquals(ended.stdout, "");
  return ended;
}

/** A manager that has the right root to show, and a certificate of its choice. */
async function impostor(
  cluster: Cluster,
  pair: { readonly cert: string; readonly key: string },
) {
  const certificate = await rootOf(cluster);
  return new FakeManager(pair, ({ method }) => {
    if (method === "hello") {
      return { result: greeting({ cluster: cluster.id }) };
    }
    return { result: { certificate, links: [] } };
  });
}

const SPOILED: readonly (readonly [
  what: string,
  spoil: (token: string) => string,
  wanted: { readonly code: number; readonly text: RegExp },
])[] = [
  ["of another version", (t) => t.replace("-1-", "-2-"), refused(/version/)],
  ["that is cut off", (t) => t.slice(0, 40), refused(/cut off/)],
  ["whose secret is cut off", (t) => t.slice(0, -1), refused(/secret/)],
  [
    "whose digest is cut off",
    (t) => t.replace(/-1-./, "-1-"),
    refused(/digest/),
  ],
  ["without its prefix", (t) => t.slice(4), refused(/SWMTKN/)],
  ["with a letter too many", (t) => `${t}0`, refused(/secret/)],
  [
    "with a letter of no base 36",
    (t) => t.replace(/.$/, "_"),
    refused(/secret/),
  ],
  ["that is no token", () => "hello", refused(/SWMTKN/)],
  ["that is far too long", (t) => t + "0".repeat(10_000), refused(/long/)],
  ["of another root", (t) => t.replace(/-1-.{8}/, "-1-01234567"), {
    code: UNVERIFIED,
    text: /root/,
  }],
  [
    "of a wrong secret",
    (t) => t.replace(/.{8}$/, "01234567"),
    refused(/does not know/),
  ],
];

function refused(text: RegExp) {
  return { code: TOKEN_REFUSED, text };
}

Deno.test("join refuses each wrong token within a second, saying what is wrong, before any secret is sent", async () => {
  await using cluster = await Cluster.start();
  for (const [what, spoil, { code, text }] of SPOILED) {
    const token = spoil(cluster.tokens.worker);
    const ended = await refusedJoin(token, cluster.listen);
    assertEquals(ended.code, code, `${what}: ${ended.stderr}`);
    assertMatch(ended.stderr, /^swarmd: error: /m);
    assertMatch(ended.stderr, text);
    const secret = secretOf(cluster.tokens.worker);
    assert(!ended.stderr.includes(secret), what);
  }
  // A manager logs every use of `join`, good or bad: nobody got that far.
  await cluster.manager.stop();
  const { log } = cluster.manager;
  const joins = log.filter((line) => /"join|worker/.test(JSON.stringify(line)));
  assertEquals(joins, []);
});

Deno.test("join sends an impostor with a root of its own a hello and a question, nothing else", async () => {
  await using cluster = await Cluster.start();
  await using forger = await Forger.start();
  const root = await forger.root("/CN=swarm-ca");
  const certificate = bareBase64(root.cert);
  await using fake = new FakeManager(root, ({ method }) => {
    if (method === "hello") return { result: greeting() };
    return { result: { certificate, links: [] } };
  });
  const token = cluster.tokens.worker;
  const { code, stderr } = await refusedJoin(token, fake.address);
  assertEquals(code, UNVERIFIED, stderr);
  assertMatch(stderr, /another root CA than the token pins/);
  assertEquals(
    fake.requests.map(({ method }) => method),
    ["hello", "ca.root"],
  );
  assert(!fake.received.includes(secretOf(token)));
});

for (
  const [what, pair] of [
    [
      "with the right root and a certificate of its own making",
      async (_: Cluster, forger: Forger) =>
        await forger.forge({
          subject: "/O=x/OU=swarm-manager/CN=y",
          extensions: MANAGER_EXTENSIONS,
        }),
    ],
    [
      "with the right root and the certificate of a worker",
      async (cluster: Cluster) =>
        await (await Thief.rob(cluster)).mint({ role: "worker" }),
    ],
  ] as const
) {
  Deno.test(`join breaks off with an impostor ${what} before it speaks`, async () => {
    await using cluster = await Cluster.start();
    await using forger = await Forger.start();
    await using fake = await impostor(cluster, await pair(cluster, forger));
    const token = cluster.tokens.worker;
    const { code, stderr } = await refusedJoin(token, fake.address);
    assertEquals(code, UNVERIFIED, stderr);
    // Both over the connection that verifies nothing
    assertEquals(
      fake.requests.map(({ method }) => method),
      ["hello", "ca.root"],
    );
    assertEquals(fake.refusals.length, 1);
    assert(!fake.received.includes(secretOf(token)));
  });
}

Deno.test("join breaks off with an impostor with the right root and a forged certificate of version 1 before it speaks", async () => {
  await using cluster = await Cluster.start();
  await using forger = await Forger.start();
  const any = await forger.root("/CN=any");
  await using forged = await OpensslServer.start(
    forger,
    await forger.forge({ subject: "/O=x/OU=swarm-manager/CN=swarm-manager" }),
  );
  const certificate = await rootOf(cluster);
  await using fake = new FakeManager(any, ({ method }) => {
    if (method === "hello") return { result: greeting() };
    relay.turnTo(forged.port);
    return { result: { certificate, links: [] } };
  });
  await using relay = new Relay(fake.port);
  const { code, stderr } = await refusedJoin(
    cluster.tokens.worker,
    relay.address,
  );
  assertEquals(code, UNVERIFIED, stderr);
  assertEquals(relay.accepted, 2);
  const said = await forged.said();
  assert(!said.includes("jsonrpc"), said);
  assertMatch(said, /alert/);
});

Deno.test("join does not show the secret to a manager of the cluster that cannot prove it knows it", async () => {
  await using cluster = await Cluster.start();
  const thief = await Thief.rob(cluster);
  const certificate = await rootOf(cluster);
  const token = cluster.tokens.worker;
  for (
    const [proof, wanted, wantedCode] of [
      [undefined, /does not know this token/, TOKEN_REFUSED],
      [btoa("x".repeat(32)), /could not prove/, UNVERIFIED],
      ["!", /./, undefined],
    ] as const
  ) {
    const pair = await thief.mint({ role: "manager" });
    await using fake = new FakeManager(pair, ({ method }) => {
      const known = proof === undefined ? {} : { proof };
      const hello = greeting({ cluster: cluster.id, ...known });
      if (method === "hello") return { result: hello };
      return { result: { certificate, links: [] } };
    });
    const { code, stderr } = await refusedJoin(token, fake.address);
    assert(wantedCode === undefined || code === wantedCode, stderr);
    assert(code !== 0);
    assertMatch(stderr, wanted);
    const asked = fake.requests.map(({ method }) => method);
    assert(!asked.includes("join"), asked.join());
    if (wantedCode !== undefined) {
      assertEquals(asked, ["hello", "ca.root", "hello"]);
    }
    assert(!fake.received.includes(secretOf(token)));
  }
});

Deno.test("join tries the next address, whatever an impostor at the first one says", async () => {
  await using cluster = await Cluster.start();
  await using forger = await Forger.start();
  const root = await forger.root("/CN=swarm-ca");
  for (const code of ["removed", "unreachable", "tls", "root-mismatch"]) {
    await using fake = new FakeManager(root, () => ({
      error: { code: -32000, message: "go", data: { code, verdict: "stop" } },
    }));
    const managers = [fake.address, cluster.listen];
    const worker = cluster.join(`worker-${code}`, { managers });
    await worker.waitFor("connected");
  }
});

/** The root of a cluster, which is no secret, as the protocol sends it. */
async function rootOf(cluster: Cluster): Promise<string> {
  const path = `${cluster.dir()}/certificates/swarm-root-ca.crt`;
  return bareBase64(await Deno.readTextFile(path));
}

function bareBase64(pem: string): string {
  return pem.replaceAll(/-----[^-]+-----|\s/g, "");
}
