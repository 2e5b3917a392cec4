import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { toHex } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { MINUTE } from "../../lib/base/time.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { checkLeaf, type LeafProfile } from "../../lib/pki/profile.ts";
import type { CfsslAuthority } from "../../lib/signer/cfssl.ts";
import { realCrypto } from "../pki/material.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cfssl, NO_CSR, type SigningProfile } from "./cfssl.ts";
import {
  AUTH_KEY,
  authorityAt,
  CONFIG,
  newOrder,
  open,
  refusal,
  signerOf,
  withProfile,
} from "./rig.ts";
import { importedCa, newRoot } from "./roots.ts";
import { freePort } from "./servers.ts";

const ROLES: Readonly<Record<string, Partial<LeafProfile>>> = {
  worker: {},
  manager: {
    role: "manager",
    dnsNames: ["manager.example.org"],
    ipAddresses: ["192.0.2.7", "2001:db8::1"],
  },
};

for (const [role, change] of Object.entries(ROLES)) {
  Deno.test(`externalSigner() gets exactly the profile of a ${role} from a real cfssl, with and without an auth key`, async () => {
    await using folder = await OpensslFolder.create();
    const ca = await newRoot();
    await using plain = await Cfssl.start(folder, ca, { config: open() });
    await using other = await OpensslFolder.create();
    await using signing = await Cfssl.start(other, ca, { config: CONFIG });
    const { authKey: _, ...anonymous } = authorityAt(plain.port);
    for (const authority of [anonymous, authorityAt(signing.port)]) {
      const { profile, csr } = await newOrder(change);
      const der = await signerOf(ca, [authority]).issue(profile, csr);
      await folder.writeCertificates("leaf.pem", [der]);
      await folder.run("verify -x509_strict -CAfile ca.pem leaf.pem");
      const leaf = await readCertificate(realCrypto, der);
      const { serial, notBefore, notAfter, ...fields } = profile;
      assertEquals(checkLeaf(leaf, { ...fields, roles: [profile.role] }), []);
      assert(leaf.serial !== toHex(serial));
      assert(Math.abs(leaf.notBefore - notBefore) <= MINUTE);
      assert(Math.abs(leaf.notAfter - notAfter) <= MINUTE);
      assertEquals(leaf.uris, []);
      const text = await folder.run("x509 -in leaf.pem -noout -text");
      for (const name of ["Key Usage", "Basic Constraints"]) {
        assertStringIncludes(text, `X509v3 ${name}: critical`);
      }
    }
  });
}

Deno.test("externalSigner() uses cfssl with keys of other types than ours", async () => {
  for (const type of ["rsa:2048", "ec:P-384"]) {
    await using folder = await OpensslFolder.create();
    const { anchor: certificate, key } = await importedCa(type);
    const ca = { certificate, key };
    await using cfssl = await Cfssl.start(folder, ca, { config: CONFIG });
    const { profile, csr } = await newOrder();
    await signerOf(ca, [authorityAt(cfssl.port)]).issue(profile, csr);
  }
});

Deno.test("externalSigner() names every difference when cfssl takes its default profile", async () => {
  await using folder = await OpensslFolder.create();
  const ca = await newRoot();
  await using cfssl = await Cfssl.start(folder, ca, { config: CONFIG });
  const text = await refusal(ca, [
    authorityAt(cfssl.port, { profile: "swarmt" }),
  ]);
  assertStringIncludes(text, "it signed something else: ");
  assertStringIncludes(
    text,
    'extended key usage: found [], want ["clientAuth","serverAuth"]',
  );
  assertStringIncludes(text, "; end: found ");
  assertStringIncludes(text, "is not made for clientAuth");
});

Deno.test("externalSigner() says what is wrong with an answer of a real cfssl", async () => {
  const ca = await newRoot();
  const usages = ["digital signature", "server auth", "client auth"];
  const cases: [Partial<SigningProfile>, string][] = [
    [
      { usages: [...usages, "key encipherment"] },
      'key usage: found ["digitalSignature","keyEncipherment"], want ["digitalSignature"]',
    ],
    [{ usages: ["digital signature", "client auth"] }, "extended key usage"],
    [{ expiry: "8760h" }, "end: found "],
    [{ expiry: "1079h" }, "end: found "],
    [{ expiry: "1h" }, "end: found "],
  ];
  for (const [change, says] of cases) {
    await using folder = await OpensslFolder.create();
    const config = withProfile(change);
    await using cfssl = await Cfssl.start(folder, ca, { config });
    assertStringIncludes(await refusal(ca, [authorityAt(cfssl.port)]), says);
  }
});

Deno.test("externalSigner() refuses a cfssl that does not know the auth key, or holds another root", async () => {
  await using folder = await OpensslFolder.create();
  const ca = await newRoot();
  await using cfssl = await Cfssl.start(folder, ca, { config: CONFIG });
  const wrongKey = AUTH_KEY.map((byte) => byte ^ 1);
  assertStringIncludes(
    await refusal(ca, [authorityAt(cfssl.port, { authKey: wrongKey })]),
    'HTTP status 400, error 400, "invalid token"',
  );
  const { authKey: _, ...anonymous } = authorityAt(cfssl.port);
  assertStringIncludes(
    await refusal(ca, [anonymous]),
    "HTTP status 404 without an answer of cfssl",
  );
  const other = await newRoot();
  assertStringIncludes(
    await refusal(other, [authorityAt(cfssl.port)]),
    "which is none of the 1 trusted roots",
  );
  const [health] = await signerOf(other, [authorityAt(cfssl.port)]).check();
  assertEquals(health?.fault, "it signs with the key of another authority");
  const [good] = await signerOf(ca, [authorityAt(cfssl.port)]).check();
  assertEquals(good, { url: authorityAt(cfssl.port).url });
});

Deno.test("externalSigner() tells a request that cfssl refuses for good from all else", async () => {
  await using folder = await OpensslFolder.create();
  const ca = await newRoot();
  await using cfssl = await Cfssl.start(folder, ca, { config: CONFIG });
  const { profile } = await newOrder();
  const good = authorityAt(cfssl.port);
  const cases = [
    [[good, good], "csr-refused", "stop"],
    [[good, authorityAt(freePort())], "signer-unavailable", "retry"],
  ] as const;
  for (const [authorities, ...wanted] of cases) {
    const signer = signerOf(ca, authorities);
    const error = await assertRejects(
      () => signer.issue(profile, NO_CSR),
      SwarmdError,
    );
    assertEquals([error.code, error.verdict], wanted);
    assertStringIncludes(error.message, "error 9003");
  }
});

/** A root for HTTPS, a server's certificate for loopback, and a client's. */
async function makeTls(folder: OpensslFolder): Promise<void> {
  const ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  for (const name of ["server-ca", "client-ca", "other-ca"]) {
    await folder.run(
      `req -x509 ${ec} -keyout ${name}.key -out ${name}.pem -subj /CN=${name}`,
    );
  }
  const leaves = {
    server: "subjectAltName=IP:127.0.0.1",
    client: "keyUsage=digitalSignature",
  };
  for (const [name, line] of Object.entries(leaves)) {
    await folder.write("ext", `basicConstraints=CA:FALSE\n${line}\n`);
    await folder.run(
      `req -new ${ec} -keyout ${name}.key -out csr -subj /CN=${name}`,
    );
    await folder.run(
      `x509 -req -in csr -CA ${name}-ca.pem -CAkey ${name}-ca.key -CAcreateserial -extfile ext -out ${name}.pem`,
    );
  }
}

Deno.test("externalSigner() trusts an HTTPS server by the given root alone, and shows its certificate", async () => {
  await using folder = await OpensslFolder.create();
  await makeTls(folder);
  const ca = await newRoot();
  const options = { config: open(), tls: true, mutual: true };
  await using cfssl = await Cfssl.start(folder, ca, options);
  const { authKey: _, ...anonymous } = authorityAt(cfssl.port);
  const rootsPem = await folder.read("server-ca.pem");
  const identity = {
    chainPem: await folder.read("client.pem"),
    keyPem: await folder.read("client.key"),
  };
  const at = (credentials: CfsslAuthority["credentials"]) => ({
    ...anonymous,
    url: `https://127.0.0.1:${cfssl.port}/api/v1/cfssl`,
    credentials,
  });
  const { profile, csr } = await newOrder();
  await signerOf(ca, [at({ rootsPem, identity })]).issue(profile, csr);
  // It says so only after the handshake, or with a reset connection
  await refusal(ca, [at({ rootsPem })]);
  const others = [
    await folder.read("other-ca.pem"),
    encodePem("CERTIFICATE", ca.certificate.der),
  ];
  for (const other of others) {
    assertStringIncludes(
      await refusal(ca, [at({ rootsPem: other, identity })]),
      "its certificate is refused: it is not under the root that is trusted here (UnknownIssuer)",
    );
  }
  const named = at({ rootsPem, identity });
  const url = named.url.replace("127.0.0.1", "localhost");
  assertStringIncludes(
    await refusal(ca, [{ ...named, url }]),
    "its certificate is refused: ",
  );
});

Deno.test("externalSigner() goes on to the next authority, and back when the first one works again", async () => {
  await using folder = await OpensslFolder.create();
  const ca = await newRoot();
  const port = freePort();
  await using other = await OpensslFolder.create();
  await using second = await Cfssl.start(other, ca, { config: CONFIG });
  const both = [authorityAt(port), authorityAt(second.port)];
  const signer = signerOf(ca, both);
  const issue = async () => {
    const { profile, csr } = await newOrder();
    await signer.issue(profile, csr);
  };
  await issue();
  assertStringIncludes(
    signer.health()[0]?.fault ?? "",
    `Cannot ask 127.0.0.1:${port}: connection refused`,
  );
  await using first = await Cfssl.start(folder, ca, { config: CONFIG, port });
  await second.stop();
  await issue();
  assertEquals(signer.health()[0]?.fault, undefined);
  assert(signer.health()[1]?.fault !== undefined);
  await first.stop();
  assertStringIncludes(await refusal(ca, both), "connection refused");
});
