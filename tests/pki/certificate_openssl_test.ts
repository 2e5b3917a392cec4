import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  type Certificate,
  readCertificates,
} from "../../lib/pki/certificate.ts";
import { verifyChain } from "../../lib/pki/chain.ts";
import { rewriteDer } from "./der_tree.ts";
import { realCrypto } from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

const CONFIG = `
[req]
distinguished_name = dn
prompt = no
[dn]
C = CH
O = Example Ltd
CN = made by openssl
[ca]
basicConstraints = critical, CA:TRUE, pathlen:3
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
keyUsage = digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth, 1.3.6.1.5.5.7.3.4
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid, issuer:always
subjectAltName = DNS:a.example, DNS:*.b.example, IP:192.0.2.1, IP:2001:db8::1, URI:spiffe://x/y, email:a@b.example, dirName:dn
certificatePolicies = 1.2.3.4
[odd]
basicConstraints = critical, CA:TRUE
nameConstraints = permitted;DNS:example
1.2.3.4.5 = critical, ASN1:NULL
`;

const KEYS: readonly [
  name: string,
  options: string,
  type: string,
  bits: number,
][] = [
  ["p256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "p256", 256],
  ["p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "p384", 384],
  ["p521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "p521", 521],
  ["rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "rsa", 2048],
  ["ed", "-algorithm ED25519", "ed25519", 256],
];

/** A root and a leaf under it, by OpenSSL, signed with one kind of key. */
async function vectors(
  folder: OpensslFolder,
  { options, digest }: { options: string; digest: string },
): Promise<Certificate[]> {
  await folder.write("openssl.cnf", CONFIG);
  await folder.run(`genpkey ${options} -out ca.key`);
  await folder.run(`genpkey ${options} -out leaf.key`);
  await folder.run(
    `req -x509 ${digest} -days 30 -key ca.key -config openssl.cnf -extensions ca -out ca.pem`,
  );
  await folder.run(
    `req -new ${digest} -key leaf.key -config openssl.cnf -subj /CN=leaf/O=Ö -utf8 -out leaf.csr`,
  );
  await folder.run(
    `x509 -req ${digest} -days 10 -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 0x00f0a1 -extfile openssl.cnf -extensions leaf -out leaf.pem`,
  );
  const pem = await folder.read("leaf.pem") + await folder.read("ca.pem");
  return await readCertificates(realCrypto, pem);
}

Deno.test("readCertificate() and verifyChain() agree with OpenSSL for all kinds of keys", async () => {
  for (const [name, options, type, bits] of KEYS) {
    await using folder = await OpensslFolder.create();
    const [leaf, root] = await vectors(folder, { options, digest: "" });
    assert(leaf && root, name);
    assertEquals([leaf.publicKeyType, leaf.publicKeyBits], [type, bits]);
    const verdict = await verifyChain(realCrypto, {
      presented: [leaf],
      anchors: [root],
      usage: "serverAuth",
      at: Date.now(),
    });
    assert(verdict.ok, name);
    assertEquals(rewriteDer(leaf.der), leaf.der);
  }
});

Deno.test("readCertificate() reads every digest that OpenSSL signs with", async () => {
  for (
    const [key, digest] of [["p256", "sha384"], ["p256", "sha512"], [
      "rsa",
      "sha384",
    ], ["rsa", "sha512"]]
  ) {
    await using folder = await OpensslFolder.create();
    const options = KEYS.find(([name]) => name === key)?.[1] ?? "";
    const [leaf, root] = await vectors(folder, {
      options,
      digest: `-${digest}`,
    });
    assert(leaf && root);
    assertEquals(
      leaf.signatureAlgorithm,
      `${key === "rsa" ? "rsa" : "ecdsa"}-${digest}`,
    );
    const { spki } = root;
    const { signatureAlgorithm: algorithm, tbs: data, signature } = leaf;
    assert(await realCrypto.verify({ spki, algorithm, data, signature }));
  }
});

Deno.test("readCertificate() reads every field as OpenSSL prints it", async () => {
  await using folder = await OpensslFolder.create();
  const [leaf, root] = await vectors(folder, {
    options: KEYS[0]?.[1] ?? "",
    digest: "",
  });
  assert(leaf && root);
  const printed = await folder.run(
    "x509 -in leaf.pem -noout -dates -dateopt iso_8601 -fingerprint -sha256 -serial -ext subjectKeyIdentifier,authorityKeyIdentifier",
  );
  const iso = (wallMs: number) =>
    new Date(wallMs).toISOString().replace("T", " ").replace(".000", "");
  const colons = (hex = "") => hex.toUpperCase().match(/../g)?.join(":") ?? "";
  for (
    const part of [
      `notBefore=${iso(leaf.notBefore)}`,
      `notAfter=${iso(leaf.notAfter)}`,
      `Fingerprint=${colons(leaf.fingerprint)}`,
      `serial=${leaf.serial.toUpperCase()}`,
      colons(leaf.subjectKeyId),
      `keyid:${colons(leaf.authorityKeyId)}`,
    ]
  ) {
    assert(printed.includes(part), `${part} not in ${printed}`);
  }
  assertEquals(leaf.serial, "f0a1");
  assertEquals(leaf.subject.commonName, "leaf");
  assertEquals(leaf.subject.organization, "Ö");
  assertEquals(leaf.issuer.attributes, [
    ["2.5.4.6", "CH"],
    ["2.5.4.10", "Example Ltd"],
    ["2.5.4.3", "made by openssl"],
  ]);
  assertEquals(leaf.version, 3);
  assertFalse(leaf.isCa);
  assertEquals([...leaf.keyUsage ?? []], [
    "digitalSignature",
    "keyEncipherment",
  ]);
  assertEquals(leaf.extendedKeyUsage, [
    "serverAuth",
    "clientAuth",
    "1.3.6.1.5.5.7.3.4",
  ]);
  assertEquals(leaf.dnsNames, ["a.example", "*.b.example"]);
  assertEquals(leaf.ipAddresses, ["192.0.2.1", "2001:db8::1"]);
  assertEquals(leaf.uris, ["spiffe://x/y"]);
  assertEquals(leaf.unknownCritical, []);
  assertEquals([root.isCa, root.pathLength], [true, 3]);
  assertEquals([...root.keyUsage ?? []], ["keyCertSign", "cRLSign"]);
  assertEquals(root.subjectKeyId, leaf.authorityKeyId);
});

Deno.test("readCertificate() keeps constraints that it cannot honour", async () => {
  await using folder = await OpensslFolder.create();
  await folder.write("openssl.cnf", CONFIG);
  await folder.run("genpkey -algorithm ED25519 -out ca.key");
  await folder.run(
    "req -x509 -key ca.key -config openssl.cnf -extensions odd -out ca.pem",
  );
  const [odd] = await readCertificates(realCrypto, await folder.read("ca.pem"));
  assertEquals(odd?.unknownCritical.toSorted(), ["1.2.3.4.5", "2.5.29.30"]);
});

Deno.test("readCertificate() reads version 1 and refuses what is not supported", async () => {
  await using folder = await OpensslFolder.create();
  await folder.write("openssl.cnf", CONFIG);
  await folder.run(
    "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out a.key",
  );
  await folder.run("req -new -key a.key -config openssl.cnf -out a.csr");
  await folder.run("x509 -req -in a.csr -signkey a.key -out v1.pem");
  const [old] = await readCertificates(realCrypto, await folder.read("v1.pem"));
  assertEquals(old?.version, 1);
  assertEquals(old?.extendedKeyUsage, undefined);

  await folder.run("x509 -req -sha1 -in a.csr -signkey a.key -out sha1.pem");
  await folder.run(
    "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out k1.key",
  );
  await folder.run("req -x509 -key k1.key -config openssl.cnf -out k1.pem");
  await folder.run(
    "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out pss.key",
  );
  await folder.run("req -x509 -key pss.key -config openssl.cnf -out pss.pem");
  const refused: [file: string, text: string][] = [
    ["sha1.pem", "1.2.840.10045.4.1"],
    ["k1.pem", "1.3.132.0.10"],
    ["pss.pem", "1.2.840.113549.1.1.10"],
  ];
  for (const [file, text] of refused) {
    const pem = await folder.read(file);
    const error = await assertRejects(
      () => readCertificates(realCrypto, pem),
      SwarmdError,
      text,
    );
    assertEquals(error.code, "bad-message");
  }
});
