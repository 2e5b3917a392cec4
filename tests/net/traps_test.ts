import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { createServer } from "node:tls";
import type { AddressInfo } from "node:net";
import { concat } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  element,
  explicit,
  integer,
  octetString,
  oid,
  sequence,
} from "../../lib/pki/der.ts";
import { OID } from "../../lib/pki/oids.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { systemCrypto } from "../../lib/net/system.ts";
import type { PeerFacts } from "../../lib/rpc/connection.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import {
  clientCredentials,
  newAuthority,
  newLeaf,
  serverCredentials,
} from "./certificates.ts";
import { dialer, never, TestServer } from "./harness.ts";
import { SClient } from "./s_client.ts";

// What this runtime gets wrong in TLS, replayed by real clients and servers.

const authority = await newAuthority();
const evil = await newAuthority();
const server = await serverCredentials(authority);

async function write(
  folder: OpensslFolder,
  name: string,
  pair: { chainPem: string; keyPem: string },
): Promise<string> {
  await folder.write(`${name}.crt`, pair.chainPem);
  await folder.write(`${name}.key`, pair.keyPem);
  return `-cert ${name}.crt -key ${name}.key`;
}

/** Answers HTTP with what TLS saw. */
function factsServer(): Promise<TestServer> {
  return TestServer.start(server, {
    http: ({ facts }) => Promise.resolve({ status: 200, body: summary(facts) }),
  });
}

function summary(facts: PeerFacts | undefined): string {
  return `resumed=${facts?.resumed} presented=${facts?.presented.length}`;
}

const LAST_REQUEST = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

const TICKETS = [
  { name: "of a certificate of its own making", isAnonymous: false },
  { name: "of nobody", isAnonymous: true },
];

for (const { name, isAnonymous } of TICKETS) {
  for (const from of ["swarmd/1", "http/1.1"]) {
    Deno.test(`T1: a ticket ${name}, got over ${from}, is refused on swarmd/1`, async () => {
      await using folder = await OpensslFolder.create();
      const own = isAnonymous
        ? ""
        : ` ${await write(folder, "evil", await newLeaf(evil))}`;
      await using listening = await factsServer();
      {
        const args = `-alpn ${from} -sess_out ticket${own}`;
        await using first = new SClient({ folder, port: listening.port }, args);
        if (from === "swarmd/1") (await listening.accepted()).close();
        else await first.write(LAST_REQUEST);
        const output = await first.ended();
        assertStringIncludes(output, "New, TLSv1.3");
        assertStringIncludes(output, "New Session Ticket arrived");
      }
      const args = `-alpn swarmd/1 -sess_in ticket${own}`;
      await using second = new SClient({ folder, port: listening.port }, args);
      assertStringIncludes(await second.ended(), "Reused, TLSv1.3");
      await listening.settled("resumed");
      assertStringIncludes(listening.log.text, "a resumed TLS session");
      assertEquals(listening.untaken, 0);
    });
  }
}

Deno.test("T1: over HTTP a resumed session is told, with what it once presented", async () => {
  await using folder = await OpensslFolder.create();
  const own = await write(folder, "evil", await newLeaf(evil));
  await using listening = await factsServer();
  for (
    const want of ["resumed=false presented=1", "resumed=true presented=1"]
  ) {
    const session = want.includes("false") ? "-sess_out" : "-sess_in";
    const args = `-alpn http/1.1 ${session} ticket ${own}`;
    await using client = new SClient({ folder, port: listening.port }, args);
    await client.write(LAST_REQUEST);
    assertStringIncludes(await client.ended(), want);
  }
});

Deno.test("T2: a forged manager of version 1 is refused", async () => {
  await using folder = await OpensslFolder.create();
  // Its issuer is named like our root, and that is all
  await folder.write("ca.crt", evil.pem);
  await folder.write("ca.key", await keyPemOf(evil));
  await folder.run("ecparam -name prime256v1 -genkey -noout -out v1.ec");
  await folder.run("pkcs8 -topk8 -nocrypt -in v1.ec -out v1.key");
  await folder.run("req -new -key v1.key -subj /CN=swarm-manager -out v1.csr");
  await folder.run(
    "x509 -req -in v1.csr -CA ca.crt -CAkey ca.key -set_serial 5 -days 9 -out v1.crt",
  );
  const text = await folder.run("x509 -in v1.crt -noout -text");
  assertStringIncludes(text, "Version: 1");
  const forged = createServer({
    cert: await folder.read("v1.crt"),
    key: await folder.read("v1.key"),
    ALPNProtocols: ["swarmd/1"],
  });
  forged.on("tlsClientError", (_error, socket) => socket.destroy());
  await new Promise<void>((done) => forged.listen(0, "127.0.0.1", done));
  const { port } = forged.address() as AddressInfo;
  for (
    const credentials of [
      await clientCredentials(authority),
      { rootsPem: authority.pem },
    ]
  ) {
    const error = await assertRejects(
      () => dialer.dial({ host: "127.0.0.1", port }, credentials, never),
      SwarmdError,
      "its certificate is refused",
    );
    assertEquals(error.code, "tls");
  }
  await new Promise<void>((done) => forged.close(() => done()));
});

async function keyPemOf({ key }: typeof authority): Promise<string> {
  const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
  return encodePem("PRIVATE KEY", pkcs8);
}

Deno.test("T3: roots of the environment are not trusted", async () => {
  await using folder = await OpensslFolder.create();
  // The public authority's server, with the right name
  const listening = await TestServer.start(await serverCredentials(evil));
  await folder.write("public.pem", evil.pem);
  await folder.write("own.pem", authority.pem);
  const dial = async (...flags: string[]) => {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-lock",
        "--allow-all",
        new URL("./trust_child.ts", import.meta.url).pathname,
        String(listening.port),
        `${folder.path}/own.pem`,
        ...flags,
      ],
      env: {
        DENO_CERT: `${folder.path}/public.pem`,
        NODE_EXTRA_CA_CERTS: `${folder.path}/public.pem`,
        DENO_TLS_CA_STORE: "mozilla",
        HTTPS_PROXY: "http://127.0.0.1:1",
        HTTP_PROXY: "http://127.0.0.1:1",
        ALL_PROXY: "http://127.0.0.1:1",
      },
    }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  };
  assertStringIncludes(await dial(), "refused: tls");
  // Without the precaution it is: the test can fail
  assertStringIncludes(await dial("--careless"), "connected");
  await listening.listener.close();
});

Deno.test("a certificate with the key of somebody else is refused in the handshake", async () => {
  await using folder = await OpensslFolder.create();
  const victim = await newLeaf(authority, { role: "worker" });
  const thief = await newLeaf(authority, { role: "worker" });
  const forged = await posedKey(folder, { victim, thief });
  await using listening = await TestServer.start(server);
  const own = await write(folder, "stolen", { ...victim, keyPem: forged });
  for (const version of ["-tls1_3", "-tls1_2"]) {
    const args = `-alpn swarmd/1 ${version} ${own}`;
    await using client = new SClient({ folder, port: listening.port }, args);
    await client.ended();
  }
  await listening.settled("failed", 2);
  assertEquals(listening.outcomes, ["failed", "failed"]);
  assertStringIncludes(listening.log.text, "TLS handshake failed");
});

/** A key file that says to be the victim's and signs with the thief's. */
async function posedKey(
  folder: OpensslFolder,
  { victim, thief }: {
    victim: { chainPem: string };
    thief: { keyPem: string };
  },
): Promise<string> {
  await folder.write("thief.pem", thief.keyPem);
  await folder.write("victim.pem", victim.chainPem);
  await folder.run(
    "pkey -in thief.pem -outform DER -traditional -out thief.der",
  );
  await folder.run("x509 -in victim.pem -noout -pubkey -out victim.pub");
  await folder.run("pkey -pubin -in victim.pub -outform DER -out victim.spki");
  const read = (name: string) => Deno.readFile(`${folder.path}/${name}`);
  // ECPrivateKey (RFC 5915 §3): version, then the scalar of 32 bytes
  const scalar = (await read("thief.der")).subarray(7, 39);
  const point = (await read("victim.spki")).subarray(-65);
  const inner = sequence(
    integer(1),
    octetString(scalar),
    explicit(1, element(0x03, [concat(Uint8Array.of(0), point)])),
  );
  const algorithm = sequence(oid(OID.ecPublicKey), oid(OID.p256));
  return encodePem(
    "PRIVATE KEY",
    sequence(integer(0), algorithm, octetString(inner)),
  );
}

Deno.test("a client's certificate of version 1 reaches us, and is shown", async () => {
  await using folder = await OpensslFolder.create();
  await folder.write("ca.crt", authority.pem);
  await folder.write("ca.key", await keyPemOf(authority));
  await folder.run("ecparam -name prime256v1 -genkey -noout -out v1.key");
  await folder.run("req -new -key v1.key -subj /CN=node -out v1.csr");
  await folder.run(
    "x509 -req -in v1.csr -CA ca.crt -CAkey ca.key -set_serial 5 -days 9 -out v1.crt",
  );
  await folder.run("x509 -in v1.crt -outform DER -out v1.der");
  await using listening = await TestServer.start(server);
  const args = "-alpn swarmd/1 -cert v1.crt -key v1.key";
  await using client = new SClient({ folder, port: listening.port }, args);
  const connection = await listening.accepted();
  const der = await Deno.readFile(`${folder.path}/v1.der`);
  assertEquals(connection.facts.presented, [der]);
  connection.destroy();
  await client.ended();
});

Deno.test("nodes below TLS 1.3 are refused, and HTTP below TLS 1.2", async () => {
  await using folder = await OpensslFolder.create();
  await using listening = await factsServer();
  {
    const args = "-alpn swarmd/1 -tls1_2";
    await using client = new SClient({ folder, port: listening.port }, args);
    assertStringIncludes(await client.ended(), "New, TLSv1.2");
  }
  await listening.settled("old-tls");
  assertStringIncludes(listening.log.text, "nodes speak TLS 1.3");
  {
    await using client = new SClient(
      { folder, port: listening.port },
      "-tls1_2",
    );
    await client.write(LAST_REQUEST);
    assertStringIncludes(await client.ended(), "resumed=false presented=0");
  }
  const args = "-alpn http/1.1 -tls1_1 -cipher ALL:@SECLEVEL=0";
  await using client = new SClient({ folder, port: listening.port }, args);
  assert(!(await client.ended()).includes("New, TLSv1.1"));
});
