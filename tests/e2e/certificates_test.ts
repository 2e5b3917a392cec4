import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { encodeBase36 } from "../../lib/base/base36.ts";
import { fromHex } from "../../lib/base/bytes.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cluster } from "./cluster.ts";
import { eventually } from "./harness.ts";
import { newSession, type RawAnswer, RawPeer } from "./raw_peer.ts";
import { dialDeno, OpensslDial } from "./raw_tls.ts";
import { fileHash } from "./tree.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const DESCRIPTION = { hostname: "h", os: "o", arch: "a", version: "v" };

/** What `openssl x509` prints of a file, with some options. */
async function x509(path: string, options: string): Promise<string> {
  const folder = new OpensslFolder(path.slice(0, path.lastIndexOf("/")));
  return await folder.run(`x509 -in ${path} -noout ${options}`);
}

/** Begin and end, in milliseconds. */
async function datesOf(path: string): Promise<{ from: number; until: number }> {
  const text = await x509(path, "-dates -dateopt iso_8601");
  const [from = NaN, until = NaN] = [...text.matchAll(/=(.+)Z$/gm)]
    .map(([, at = ""]) => Date.parse(`${at.replace(" ", "T")}Z`));
  return { from, until };
}

/** The extensions as OpenSSL shows them, by name. */
function extensionsOf(text: string): Map<string, string> {
  const [, part = ""] = text.split("X509v3 extensions:\n");
  const lines = part.split(/^ {4}Signature/m)[0] ?? "";
  const found = lines.matchAll(
    /^ {12}(\S.*?): ?(critical)?\s*\n((?: {16}.*\n)+)/gm,
  );
  return new Map(
    [...found].map((
      [, name = "", critical = "", value = ""],
    ) => [name, `${critical} ${value.trim()}`.trim()]),
  );
}

Deno.test("openssl verifies the chains of manager and worker, strictly, for both purposes", async () => {
  await using cluster = await Cluster.start();
  await cluster.connectedWorker("worker");
  for (const name of ["manager", "worker"]) {
    const path = `${cluster.dir(name)}/certificates`;
    const folder = new OpensslFolder(path);
    for (const purpose of ["sslserver", "sslclient"]) {
      const text = await folder.run(
        `verify -x509_strict -purpose ${purpose} -CAfile swarm-root-ca.crt swarm-node.crt`,
      );
      assertMatch(text, /OK$/m);
    }
  }
});

Deno.test("openssl x509 reads exactly the profile from a manager's and a worker's certificate", async () => {
  await using cluster = await Cluster.start({
    init: ["--advertise-addr=127.0.0.1", "--advertise-addr=manager.example"],
  });
  const before = Date.now();
  const worker = await cluster.connectedWorker("worker");
  const workerId = String(worker.events[0]?.["node"]);
  const managerId = String(cluster.ready["node"]);
  for (
    const [role, id, names] of [
      ["worker", workerId, `DNS:swarm-worker, DNS:${workerId}`],
      [
        "manager",
        managerId,
        `DNS:swarm-manager, DNS:${managerId}, DNS:swarm-ca, DNS:manager.example, IP Address:127.0.0.1`,
      ],
    ] as const
  ) {
    const path = `${cluster.dir(role)}/certificates/swarm-node.crt`;
    const text = await x509(path, "-text -nameopt RFC2253,-dn_rev");
    assertStringIncludes(text, "Version: 3 (0x2)");
    assertStringIncludes(text, "Issuer: CN=swarm-ca");
    assertStringIncludes(
      text,
      `Subject: O=${cluster.id},OU=swarm-${role},CN=${id}`,
    );
    assertStringIncludes(text, "Public Key Algorithm: id-ecPublicKey");
    assertStringIncludes(text, "ASN1 OID: prime256v1");
    assertMatch(text, /Signature Algorithm: ecdsa-with-SHA256/);
    const { "X509v3 Subject Key Identifier": own, ...rest } = Object
      .fromEntries(
        extensionsOf(text),
      );
    const { "X509v3 Authority Key Identifier": issuer, ...others } = rest;
    assert(own && issuer);
    const uri = `URI:spiffe://${cluster.id}/node/${id}`;
    assertEquals(others, {
      "X509v3 Basic Constraints": "critical CA:FALSE",
      "X509v3 Key Usage": "critical Digital Signature",
      "X509v3 Extended Key Usage":
        "TLS Web Server Authentication, TLS Web Client Authentication",
      "X509v3 Subject Alternative Name": `${names}, ${uri}`,
    });
    const { from, until } = await datesOf(path);
    const issued = from + HOUR_MS;
    assertEquals(until - issued, 90 * DAY_MS);
    assert(Math.abs(issued - before) < 30_000, `${issued} ${before}`);
  }
});

Deno.test("the root is P-256, of 20 years, backdated as its leaves are, and may sign only them", async () => {
  await using cluster = await Cluster.start();
  const path = `${cluster.dir()}/certificates/swarm-root-ca.crt`;
  const text = await x509(path, "-text");
  assertMatch(text, /Subject: CN = swarm-ca$/m);
  assertStringIncludes(text, "ASN1 OID: prime256v1");
  const extensions = extensionsOf(text);
  assertMatch(
    extensions.get("X509v3 Basic Constraints") ?? "",
    /^critical CA:TRUE/,
  );
  assertMatch(
    extensions.get("X509v3 Key Usage") ?? "",
    /^critical Certificate Sign/,
  );
  const { from, until } = await datesOf(path);
  const years = (until - from) / (365.25 * DAY_MS);
  assert(years > 19.9 && years < 20.1, `${years}`);
  assert(Date.now() - from >= HOUR_MS);
});

Deno.test("the token pins the SHA-256 of the root's PEM file", async () => {
  await using cluster = await Cluster.start();
  const digest = await fileHash(
    `${cluster.dir()}/certificates/swarm-root-ca.crt`,
  );
  assertEquals(cluster.ready["rootDigest"], `sha256:${digest}`);
  for (const token of Object.values(cluster.tokens)) {
    assertEquals(token.split("-")[2], encodeBase36(fromHex(digest)));
  }
});

Deno.test("s_client agrees: TLS 1.3 alone for nodes, 1.2 at least for HTTP, verified by name", async () => {
  await using cluster = await Cluster.start();
  await cluster.connectedWorker("worker");
  const folder = new OpensslFolder(`${cluster.dir("worker")}/certificates`);
  const node = "-cert swarm-node.crt -key swarm-node.key";
  const verified =
    "-CAfile swarm-root-ca.crt -verify_return_error -verify_hostname swarm-manager";
  const connect = `s_client -connect ${cluster.listen} ${verified}`;
  for (
    const [options, found] of [
      [`${node} -alpn swarmd/1`, [/ALPN protocol: swarmd\/1/, /TLSv1\.3/]],
      [`-alpn swarmd/1`, [/ALPN protocol: swarmd\/1/, /TLSv1\.3/]],
      [`-alpn http/1.1`, [/ALPN protocol: http\/1\.1/, /TLSv1\.3/]],
      [`-tls1_2 -alpn http/1.1`, [/ALPN protocol: http\/1\.1/, /TLSv1\.2/]],
      [`-tls1_2`, [/No ALPN negotiated/, /TLSv1\.2/]],
    ] as const
  ) {
    const { code, stdout, stderr } = await folder.try(`${connect} ${options}`);
    assertEquals(code, 0, `${options}: ${stderr}`);
    assertMatch(stdout, /Verify return code: 0 \(ok\)/);
    assertMatch(stdout, /Verified peername: swarm-manager/);
    for (const regexp of found) assertMatch(stdout, regexp, options);
  }
  for (const options of ["-tls1_1", "-alpn h2", "-alpn nonsense"]) {
    const { code, stdout } = await folder.try(`${connect} ${options}`);
    assertEquals(code, 1, `${options}: ${stdout}`);
  }
  await cluster.manager.waitForLog(({ message }) =>
    /TLS handshake failed/.test(message)
  );
});

Deno.test("a worker's certificate does not verify as a manager's", async () => {
  await using cluster = await Cluster.start();
  await cluster.connectedWorker("worker");
  const folder = new OpensslFolder(`${cluster.dir("worker")}/certificates`);
  const verify = "verify -CAfile swarm-root-ca.crt";
  const named = `${verify} -verify_hostname swarm-manager swarm-node.crt`;
  const { code, stderr } = await folder.try(named);
  assertEquals(code, 2);
  assertMatch(stderr, /hostname mismatch/);
});

/** What a hand-written client gets for a request to join. */
async function joinWith(cluster: Cluster, csr: Uint8Array): Promise<RawAnswer> {
  const path = `${cluster.dir()}/certificates/swarm-root-ca.crt`;
  const ca = await Deno.readTextFile(path);
  await using peer = new RawPeer(await dialDeno({ port: cluster.port, ca }));
  assertEquals((await peer.hello()).kind, "result");
  return await peer.ask("join", {
    secret: cluster.tokens.worker.split("-").at(-1) ?? "",
    csr: csr.toBase64(),
    description: DESCRIPTION,
  });
}

async function newCsr(folder: OpensslFolder, options: string) {
  const p256 = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";
  const key = /-newkey|-key /.test(options) ? "" : p256;
  await folder.run(
    `req -new ${key} -nodes -keyout key.pem -outform DER -out csr.der ${options}`
      .replaceAll(/ +/g, " "),
  );
  return await Deno.readFile(`${folder.path}/csr.der`);
}

Deno.test("a certificate is of the profile whatever the request asks", async () => {
  await using cluster = await Cluster.start();
  await using folder = await OpensslFolder.create();
  const names = "subjectAltName=DNS:swarm-manager,DNS:swarm-ca,IP:127.0.0.1";
  for (
    const wish of [
      `-subj /O=${cluster.id}/OU=swarm-manager/CN=${cluster.ready["node"]}`,
      "-subj /CN=swarm-ca -addext basicConstraints=critical,CA:TRUE",
      `-subj /CN=x -addext ${names}`,
      "-subj /CN=x -addext keyUsage=critical,keyCertSign,cRLSign",
      "-subj /CN=x -addext extendedKeyUsage=codeSigning,anyExtendedKeyUsage",
      "-subj /CN=x -addext 1.2.3.4=critical,ASN1:NULL",
      "-subj /CN=x -sha512",
    ]
  ) {
    const answer = await joinWith(cluster, await newCsr(folder, wish));
    assert(answer.kind === "result", `${wish}: ${JSON.stringify(answer)}`);
    const { node, role, chain } = answer.result;
    assertEquals(role, "worker");
    const [leaf = ""] = chain as string[];
    await Deno.writeFile(
      `${folder.path}/leaf.der`,
      Uint8Array.fromBase64(leaf),
    );
    const text = await folder.run(
      "x509 -inform DER -in leaf.der -noout -text -nameopt RFC2253,-dn_rev",
    );
    assertStringIncludes(
      text,
      `Subject: O=${cluster.id},OU=swarm-worker,CN=${node}`,
    );
    const extensions = extensionsOf(text);
    assertEquals(extensions.size, 6, [...extensions.keys()].join());
    assertEquals(
      extensions.get("X509v3 Basic Constraints"),
      "critical CA:FALSE",
    );
    assertEquals(
      extensions.get("X509v3 Subject Alternative Name"),
      `DNS:swarm-worker, DNS:${node}, URI:spiffe://${cluster.id}/node/${node}`,
    );
  }
});

/** Keys that are not wanted, and how OpenSSL makes them. */
const OTHER_KEYS: readonly (readonly [what: string, command: string])[] = [
  ["RSA 1024", "RSA -pkeyopt rsa_keygen_bits:1024"],
  ["RSA 2048", "RSA -pkeyopt rsa_keygen_bits:2048"],
  ["P-384", "EC -pkeyopt ec_paramgen_curve:P-384"],
  ["P-521", "EC -pkeyopt ec_paramgen_curve:P-521"],
  ["secp256k1", "EC -pkeyopt ec_paramgen_curve:secp256k1"],
  [
    "P-256 by its parameters",
    "EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
  ],
  ["Ed25519", "ED25519"],
  ["Ed448", "ED448"],
];

/** Requests that must be refused, and what the refusal must say. */
async function hostileRequests(folder: OpensslFolder) {
  const found: [what: string, csr: Uint8Array, wanted: RegExp][] = [];
  for (const [what, command] of OTHER_KEYS) {
    await folder.run(`genpkey -out other.pem -algorithm ${command}`);
    const csr = await newCsr(folder, "-key other.pem -subj /CN=x");
    found.push([what, csr, /P-256|curve|tag|supported/]);
  }
  const sound = await newCsr(folder, "-subj /CN=x");
  const flipped = (at: number) =>
    sound.map((byte, i) => i === sound.length + at ? byte ^ 1 : byte);
  const long = `1.2.3.4=ASN1:UTF8String:${"x".repeat(9 * 1024)}`;
  const big = await newCsr(folder, `-subj /CN=x -addext ${long}`);
  return [
    ...found,
    ["a changed signature", flipped(-1), /signature/],
    ["a changed key", flipped(-90), /signature|point|key|found/],
    ["9 KiB", big, /csr/],
    ["cut off", sound.subarray(0, 100), /./],
    ["more behind it", new Uint8Array([...sound, 0]), /./],
    ["nothing", new Uint8Array(), /./],
    ["noise", crypto.getRandomValues(new Uint8Array(300)), /./],
  ] as const;
}

Deno.test("a weak, an exotic or a broken request is refused by name, and makes no node", async () => {
  await using cluster = await Cluster.start();
  await using folder = await OpensslFolder.create();
  const requests = await hostileRequests(folder);
  for (const [what, csr, wanted] of requests) {
    const answer = await joinWith(cluster, csr);
    assert(answer.kind === "error", `${what}: ${JSON.stringify(answer)}`);
    // The message says how long a request may be, before that is read.
    const code = what === "9 KiB" ? "bad-message" : "csr-refused";
    assertEquals(answer.code, code, `${what}: ${answer.text}`);
    assertMatch(answer.text, wanted, what);
  }
  assertEquals((await cluster.nodes()).length, 1);
  await cluster.manager.waitForLog(({ code }) => code === "csr-refused");
});

Deno.test("a renewal is of the profile whatever the request asks, and of the caller's own node", async () => {
  await using cluster = await Cluster.start({ life: "60s" });
  await using folder = await OpensslFolder.create();
  const worker = await cluster.connectedWorker("worker");
  const id = String(worker.events[0]?.["node"]);
  await worker.kill();
  const path = `${cluster.dir("worker")}/certificates`;
  const node = ["-cert", `${path}/swarm-node.crt`];
  const options = [...node, "-key", `${path}/swarm-node.key`, "-tls1_3"];
  await using peer = new RawPeer(new OpensslDial(cluster.port, options));
  assertEquals((await peer.hello(newSession())).kind, "result");
  const manager = String(cluster.ready["node"]);
  const csr = await newCsr(
    folder,
    `-subj /O=${cluster.id}/OU=swarm-manager/CN=${manager} -addext basicConstraints=CA:TRUE`,
  );
  let n = 0;
  const answer = await eventually("a certificate", async () => {
    const params = { csr: csr.toBase64() };
    const said = await peer.ask("node.renew", params, { n: ++n });
    // A node does not get one right after another.
    if (said.kind === "error" && said.code === "too-busy") return undefined;
    return said;
  });
  assert(answer.kind === "result", JSON.stringify(answer));
  assertEquals(answer.result["node"], id);
  assertEquals(answer.result["role"], "worker");
  const weak = await newCsr(folder, "-newkey rsa:2048 -subj /CN=x");
  const refused = await peer
    .ask("node.renew", { csr: weak.toBase64() }, { n: ++n });
  assert(refused.kind === "error");
  assertEquals(refused.code, "csr-refused");
  // Issued and not yet presented: the old one counts, the new one is known.
  const row = await eventually(
    "the pending certificate",
    async () => {
      const all = await cluster.ask<Record<string, unknown>>(
        ...["node", "inspect", id],
      );
      return all["pending"];
    },
  );
  assert(row);
});
