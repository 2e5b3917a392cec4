import "reflect-metadata";
import { assert, assertEquals } from "@std/assert";
import * as x509 from "@peculiar/x509";
import { toHex } from "../../lib/base/bytes.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { verifyChain } from "../../lib/pki/chain.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { OID } from "../../lib/pki/oids.ts";
import { dnsNamesOf, type LeafProfile, uriOf } from "../../lib/pki/profile.ts";
import { NOW, realCrypto, realLeaf, realRoot } from "./material.ts";

const EXTRACTABLE = true;
const CRITICAL = true;
const AUTHORITY = true;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

Deno.test("issueLeaf() writes what an independent library reads, field by field", async () => {
  const root = await realRoot();
  const issuer = new x509.X509Certificate(root.certificate.der);
  for (const role of ["worker", "manager"] as const) {
    const leaf = await realLeaf(root, {
      role,
      dnsNames: role === "worker" ? [] : ["m.example"],
      ipAddresses: role === "worker" ? [] : ["10.0.0.5", "2001:db8::5"],
    });
    const seen = new x509.X509Certificate(leaf.certificate.der);
    assertFields(seen, leaf.profile);
    assertExtensions(seen, leaf.profile);
    const identifiers = [
      seen.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId,
      seen.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId,
    ];
    const { subjectKeyId } = leaf.certificate;
    assertEquals(identifiers, [subjectKeyId, root.certificate.subjectKeyId]);
    assert(await seen.verify({ publicKey: issuer, date: new Date(NOW) }));
  }
});

function assertFields(
  seen: x509.X509Certificate,
  { clusterId, nodeId, role, ...profile }: LeafProfile,
): void {
  assertEquals(seen.serialNumber, toHex(profile.serial));
  assertEquals(
    seen.subject,
    `O=${clusterId}, OU=swarm-${role}, CN=${nodeId}`,
  );
  assertEquals(seen.issuer, "CN=swarm-ca");
  assertEquals(seen.notBefore.getTime(), profile.notBefore);
  assertEquals(seen.notAfter.getTime(), profile.notAfter);
  assertEquals(new Uint8Array(seen.publicKey.rawData), profile.spki);
}

function assertExtensions(
  seen: x509.X509Certificate,
  profile: LeafProfile,
): void {
  assertEquals(
    Array.from(seen.extensions, ({ type, critical }) => [type, critical]),
    [
      [OID.basicConstraints, true],
      [OID.keyUsage, true],
      [OID.extendedKeyUsage, false],
      [OID.subjectKeyIdentifier, false],
      [OID.authorityKeyIdentifier, false],
      [OID.subjectAltName, false],
    ],
  );
  const said = {
    ca: seen.getExtension(x509.BasicConstraintsExtension)?.ca,
    usages: seen.getExtension(x509.KeyUsagesExtension)?.usages,
    purposes: Array.from(
      seen.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [],
    ),
    names: seen.getExtension(x509.SubjectAlternativeNameExtension)?.names
      .toJSON(),
  };
  assertEquals(said, {
    ca: false,
    usages: x509.KeyUsageFlags.digitalSignature,
    purposes: [OID.serverAuth, OID.clientAuth],
    names: [
      ...dnsNamesOf(profile).map((value) => ({ type: "dns" as const, value })),
      ...profile.ipAddresses.map((value) => ({ type: "ip" as const, value })),
      { type: "url" as const, value: uriOf(profile) },
    ],
  });
}

Deno.test("createRoot() writes what an independent library verifies", async () => {
  const { certificate } = await realRoot(3);
  const seen = new x509.X509Certificate(certificate.der);
  assertEquals(seen.subject, "CN=swarm-ca, 2.5.4.5=3");
  assert(await seen.isSelfSigned());
  assert(await seen.verify({ date: new Date(NOW) }));
  assert(seen.getExtension(x509.BasicConstraintsExtension)?.ca);
  assertEquals(
    seen.getExtension(x509.KeyUsagesExtension)?.usages,
    x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
  );
});

Deno.test("createCsr() writes what an independent library verifies", async () => {
  const key = await realCrypto.generateKey();
  const seen = new x509.Pkcs10CertificateRequest(
    await createCsr(realCrypto, key),
  );
  assertEquals(seen.subject, "");
  assertEquals(new Uint8Array(seen.publicKey.rawData), key.spki);
  assert(await seen.verify());
});

Deno.test("readCertificate() reads what an independent library writes", async () => {
  const caKeys = await crypto.subtle.generateKey(ALGORITHM, EXTRACTABLE, [
    "sign",
    "verify",
  ]);
  const keys = await crypto.subtle.generateKey(ALGORITHM, EXTRACTABLE, [
    "sign",
    "verify",
  ]);
  const validity = { notBefore: new Date(NOW), notAfter: new Date(NOW + 1e9) };
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: "CN=library, O=x",
    keys: caKeys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(AUTHORITY, 2, CRITICAL)],
  });
  const leaf = await x509.X509CertificateGenerator.create({
    ...validity,
    serialNumber: "00ff01",
    subject: "CN=leaf",
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.ExtendedKeyUsageExtension([OID.clientAuth], CRITICAL),
      new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "a.example" },
        { type: "ip", value: "2001:db8::1" },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(ca),
    ],
  });
  const root = await readCertificate(realCrypto, new Uint8Array(ca.rawData));
  const read = await readCertificate(realCrypto, new Uint8Array(leaf.rawData));
  assertEquals([root.isCa, root.pathLength], [true, 2]);
  assertEquals(read.serial, "ff01");
  assertEquals(read.subject.commonName, "leaf");
  assertEquals(read.dnsNames, ["a.example"]);
  assertEquals(read.ipAddresses, ["2001:db8::1"]);
  assertEquals(
    read.fingerprint,
    toHex(new Uint8Array(await leaf.getThumbprint("SHA-256"))),
  );
  const verdict = await verifyChain(realCrypto, {
    presented: [read],
    anchors: [root],
    usage: "clientAuth",
    at: NOW,
  });
  assert(verdict.ok);
});
