import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { newSession, RawPeer } from "./raw_peer.ts";
import { type ClientPair, dialDeno } from "./raw_tls.ts";
import { bodyOf, sClientGet, wrongKeyFor } from "./s_client.ts";
import { refusedAs, says, Stage } from "./stage.ts";
import { Thief } from "./thief.ts";
import { threat } from "./threats.ts";

const RESUMED = /a resumed TLS session proves nothing/;
const HTTP_REFUSED = /HTTP request refused/;
/**
 * How a refused handshake ends for the client: the alert may be lost when the
 * server closes before the client has written all that it had.
 */
const CUT_REGEXP = /alert|unexpected eof|connection reset|broken pipe|errno=/i;
/** Both ways in which a client of HTTP may come. */
const VERSIONS = ["-tls1_2", "-tls1_3"];

/**
 * Gets a ticket over HTTP, uses it there and for a node's connection, and
 * gives what each came to.
 */
async function useTicket(
  stage: Stage,
  { pair, version }: { pair: ClientPair | undefined; version: string },
) {
  const file = `${stage.forger.openssl.path}/ticket${version}`;
  const own = pair ? await stage.forger.asOptions(pair) : [];
  const saved = [...own, version, "-sess_out", file];
  const first = await sClientGet(stage.port, "/v1/nodes", saved);
  assertMatch(first.output, /^New, TLS/m);
  // It is all in the ticket: neither certificate nor key are shown again.
  const used = [version, "-sess_in", file];
  const again = await sClientGet(stage.port, "/v1/nodes", used);
  assertMatch(again.output, /^Reused, TLS/m, "the ticket was not taken");
  return { first: bodyOf(first), again: bodyOf(again), file };
}

async function assertNoNodeByTicket(stage: Stage, file: string): Promise<void> {
  const line = await stage.logged(async () => {
    const answer = await stage.greet(undefined, "-tls1_3", "-sess_in", file);
    assertEquals(answer, { kind: "cut" });
  }, says(RESUMED));
  assertEquals(line["address"], "127.0.0.1");
}

threat("ticket-self-made", async () => {
  await using stage = await Stage.set();
  const names = { O: stage.cluster.id, CN: stage.cluster.ready["node"] };
  const pair = await stage.forger.root(
    `/O=${names.O}/OU=swarm-manager/CN=${names.CN}`,
  );
  for (const version of VERSIONS) {
    const line = await stage.logged(async () => {
      const { first, again, file } = await useTicket(stage, { pair, version });
      assertEquals(first["error"]?.["code"], "unverified-chain");
      assertEquals(again["error"]?.["code"], "unverified-chain");
      if (version === "-tls1_3") await assertNoNodeByTicket(stage, file);
    }, says(HTTP_REFUSED));
    assertEquals(line["code"], "unverified-chain");
  }
});

threat("ticket-anonymous", async () => {
  await using stage = await Stage.set();
  for (const version of VERSIONS) {
    const line = await stage.logged(async () => {
      const used = await useTicket(stage, { pair: undefined, version });
      assertEquals(used.again["error"]?.["code"], "anonymous");
      if (version === "-tls1_3") await assertNoNodeByTicket(stage, used.file);
    }, says(HTTP_REFUSED));
    assertEquals(line["code"], "anonymous");
  }
});

threat("ticket-node", async () => {
  await using stage = await Stage.set();
  const pair = await stage.pairOf("manager");
  const version = "-tls1_3";
  // A manager's, which may read this: judged anew by what was presented then.
  const { again, file } = await useTicket(stage, { pair, version });
  assertEquals(again.length, 1);
  await assertNoNodeByTicket(stage, file);
});

threat("self-made", async () => {
  await using stage = await Stage.set();
  const { O, CN } = { O: stage.cluster.id, CN: stage.cluster.ready["node"] };
  const pair = await stage.forger.forge({
    subject: `/O=${O}/OU=swarm-manager/CN=${CN}`,
    extensions: ["extendedKeyUsage=clientAuth,serverAuth"],
  });
  const line = await stage.logged(async () => {
    const answer = await stage.greet(pair);
    assert(answer.kind === "error");
    assertEquals(answer.code, "unverified-chain");
  }, refusedAs("unverified-chain"));
  assertMatch(String(line["why"]), /signed|chain|issuer|root/);
});

threat("forged-v1-client", async () => {
  await using stage = await Stage.set();
  const node = await stage.victim();
  const subject = `/O=${stage.cluster.id}/OU=swarm-worker/CN=${node}`;
  const forged = await stage.forger.forge({ subject });
  // TLS takes any key for a certificate of version 1: it proves nothing.
  const stolen = { cert: forged.cert, key: wrongKeyFor(forged.cert) };
  for (const pair of [forged, stolen]) {
    const line = await stage.logged(async () => {
      const answer = await stage.greet(pair, "-tls1_3");
      assert(answer.kind === "error", JSON.stringify(answer));
      assertEquals(answer.code, "unverified-chain");
    }, refusedAs("unverified-chain"));
    assertMatch(String(line["why"]), /version/);
    for (const version of VERSIONS) {
      const used = await useTicket(stage, { pair, version });
      assertEquals(used.first["error"]?.["code"], "unverified-chain");
      assertEquals(used.again["error"]?.["code"], "unverified-chain");
      if (version === "-tls1_3") await assertNoNodeByTicket(stage, used.file);
    }
  }
});

threat("wrong-key", async () => {
  await using stage = await Stage.set();
  await stage.victim();
  for (const name of ["victim", "manager"]) {
    const { cert } = await stage.pairOf(name);
    const pair = { cert, key: wrongKeyFor(cert) };
    for (const version of VERSIONS) {
      const line = await stage.logged(async () => {
        const own = await stage.forger.asOptions(pair);
        const options = [...own, version];
        const http = await sClientGet(stage.port, "/v1/nodes", options);
        assert(!http.output.includes("HTTP/1.1"), http.output);
        assertMatch(http.output, CUT_REGEXP, http.output);
      }, says(/TLS handshake failed/));
      assertMatch(String(line["reason"]), /./);
    }
    const greeted = await stage.greet(pair, "-tls1_3");
    assertEquals(greeted, { kind: "cut" });
  }
});

threat("old-tls", async () => {
  await using stage = await Stage.set();
  await stage.victim();
  const pair = await stage.pairOf("victim");
  const line = await stage.logged(async () => {
    assertEquals(await stage.greet(pair, "-tls1_2"), { kind: "cut" });
  }, says(/nodes speak TLS 1\.3/));
  assertEquals(line["address"], "127.0.0.1");
});

threat("foreign-root", async () => {
  await using here = await Stage.set();
  await using there = await Stage.set();
  await there.victim();
  for (const name of ["victim", "manager"]) {
    const pair = await there.pairOf(name);
    const line = await here.logged(async () => {
      const ca = await here.root();
      const dial = { port: here.port, ca, pair };
      await using peer = new RawPeer(await dialDeno(dial));
      const answer = await peer.hello(newSession());
      assert(answer.kind === "error");
      assertEquals(answer.code, "foreign-cluster");
    }, refusedAs("foreign-cluster"));
    assertStringIncludes(String(line["why"]), there.cluster.id);
  }
});

threat("foreign-cluster", async () => {
  await using stage = await Stage.set();
  const thief = await Thief.rob(stage.cluster);
  const clusterId = "0".repeat(25);
  const pair = await thief.mint({ role: "manager", clusterId });
  const line = await stage.logged(async () => {
    const answer = await stage.greet(pair);
    assert(answer.kind === "error");
    assertEquals(answer.code, "foreign-cluster");
  }, refusedAs("foreign-cluster"));
  assertStringIncludes(String(line["why"]), clusterId);
});

threat("public-root-client", async () => {
  await using stage = await Stage.set();
  const { cluster, forger } = stage;
  const root = await forger.root("/CN=Public");
  await forger.openssl.write("public.pem", root.cert);
  await cluster.manager.stop();
  const path = `${forger.openssl.path}/public.pem`;
  const trust = ["DENO_CERT", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];
  const env = Object.fromEntries(trust.map((name) => [name, path]));
  await cluster.runManager({ env: { ...env, DENO_TLS_CA_STORE: "system" } });
  const own = await forger.sign(root, {
    subject: `/O=${cluster.id}/OU=swarm-manager/CN=${cluster.ready["node"]}`,
    extensions: ["extendedKeyUsage=clientAuth"],
  });
  const line = await stage.logged(async () => {
    const answer = await stage.greet(own);
    assert(answer.kind === "error");
    assertEquals(answer.code, "unverified-chain");
  }, refusedAs("unverified-chain"));
  assertMatch(String(line["why"]), /chain|root|signed/);
});

threat("expired", async () => {
  await using stage = await Stage.set();
  const nodeId = await stage.victim();
  const thief = await Thief.rob(stage.cluster);
  const times = { from: -7_200_000, until: -3_600_000 };
  const pair = await thief.mint({ role: "worker", nodeId, ...times });
  const line = await stage.logged(async () => {
    const greeted = await stage.greet(pair);
    assert(greeted.kind === "error", JSON.stringify(greeted));
    assertEquals(greeted.code, "expired");
  }, refusedAs("expired"));
  const clocks = String(line["why"]).match(/\d{4}-\d\d-\d\dT[\d:]+Z/g) ?? [];
  assertEquals(clocks.length, 2, String(line["why"]));
  await using peer = await stage.dial(pair);
  assertEquals((await peer.hello()).kind, "result");
  const renewal = await peer.ask("node.renew", { csr: "" }, { n: 1 });
  assert(renewal.kind === "error", JSON.stringify(renewal));
  assertEquals(renewal.code, "expired");
});

threat("not-yet-valid", async () => {
  await using stage = await Stage.set();
  const nodeId = await stage.victim();
  const thief = await Thief.rob(stage.cluster);
  const times = { from: 3_600_000, until: 7_200_000 };
  const pair = await thief.mint({ role: "worker", nodeId, ...times });
  const line = await stage.logged(async () => {
    const answer = await stage.greet(pair);
    assert(answer.kind === "error");
    assertEquals(answer.code, "not-yet-valid");
  }, refusedAs("not-yet-valid"));
  assertMatch(String(line["why"]), /clock says \d{4}-/);
});

threat("minted", async () => {
  await using stage = await Stage.set();
  const nodeId = await stage.victim();
  const thief = await Thief.rob(stage.cluster);
  const manager = String(stage.cluster.ready["node"]);
  for (
    const [wish, code] of [
      [{ role: "worker" }, "unknown-node"],
      [{ role: "manager" }, "unknown-node"],
      [{ role: "worker", nodeId }, "newer-than-store"],
      [{ role: "manager", nodeId }, "newer-than-store"],
      [{ role: "manager", nodeId: manager }, "newer-than-store"],
      [{ role: "worker", nodeId, from: -7_200_000 }, "replaced"],
    ] as const
  ) {
    const pair = await thief.mint(wish);
    await stage.logged(async () => {
      const greeted = await stage.greet(pair);
      assert(greeted.kind === "error", JSON.stringify(greeted));
      assertEquals(greeted.code, code);
      await using peer = await stage.dial(pair);
      // Some may greet, to learn why nothing else is allowed.
      if ((await peer.hello()).kind === "error") return;
      const renewal = await peer.ask("node.renew", { csr: "" }, { n: 1 });
      assert(renewal.kind === "error", JSON.stringify(renewal));
      assertEquals(renewal.code, code);
    }, refusedAs(code));
  }
  for (const extensions of [[], ["extendedKeyUsage=serverAuth"]]) {
    const subject = `/O=${stage.cluster.id}/OU=swarm-worker/CN=${nodeId}`;
    const root = await thief.root();
    const pair = await stage.forger.sign(root, { subject, extensions });
    const answer = await stage.greet(pair, "-tls1_3");
    assert(answer.kind === "error", JSON.stringify(answer));
    assertEquals(answer.code, "unverified-chain");
  }
});

threat("authority-as-client", async () => {
  await using stage = await Stage.set();
  const nodeId = await stage.victim();
  const root = await (await Thief.rob(stage.cluster)).root();
  const bare = await stage.greet(root);
  assert(bare.kind === "error", JSON.stringify(bare));
  // An authority with the names of a node is none the less no node.
  const authority = await stage.forger.sign(root, {
    subject: `/O=${stage.cluster.id}/OU=swarm-worker/CN=${nodeId}`,
    extensions: [
      "basicConstraints=critical,CA:TRUE",
      "extendedKeyUsage=clientAuth",
    ],
  });
  const line = await stage.logged(async () => {
    const answer = await stage.greet(authority);
    assert(answer.kind === "error", JSON.stringify(answer));
    assertEquals(answer.code, "unverified-chain");
  }, refusedAs("unverified-chain"));
  assertMatch(String(line["why"]), /CA|authority/);
});
