import "reflect-metadata";
import { assert, assertEquals } from "@std/assert";
import * as x509 from "@peculiar/x509";
import { toHex } from "../../lib/base/bytes.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { verifyChain } from "../../lib/pki/chain.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { OID } from "../../lib/pki/oids.ts";
import { dnsNamesOf, uriOf } from "../../lib/pki/profile.ts";
import { NOW, realCrypto, realLeaf, realRoot } from "./material.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

Deno.test("issueLeaf() writes what an independent library reads, field by field", async () => {
  const root = await realRoot();
  for (const role of ["worker", "manager"] as const) {
    const names = role === "worker" ? {} : {
      dnsNames: ["m.example"],
      ipAddresses: ["10.0.0.5", "2001:db8::5"],
    };
    const { certificate, profile } = await realLeaf(root, { role, ...names });
    const seen = new x509.X509Certificate(certificate.der);
    const issuer = new x509.X509Certificate(root.certificate.der);
    assertEquals(seen.serialNumber, toHex(profile.serial));
    assertEquals(
      seen.subject,
      `O=${profile.clusterId}, OU=swarm-${role}, CN=${profile.nodeId}`,
    );
    assertEquals(seen.issuer, "CN=swarm-ca");
    assertEquals(seen.notBefore.getTime(), profile.notBefore);
    assertEquals(seen.notAfter.getTime(), profile.notAfter);
    assertEquals(new Uint8Array(seen.publicKey.rawData), profile.spki);
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
    const find = <T extends x509.Extension>(type: string) =>
      seen.getExtension<T>(type);
    assertEquals(
      find<x509.BasicConstraintsExtension>(OID.basicConstraints)?.ca,
      false,
    );
    assertEquals(
      find<x509.KeyUsagesExtension>(OID.keyUsage)?.usages,
      x509.KeyUsageFlags.digitalSignature,
    );
    assertEquals(
      Array.from(
        find<x509.ExtendedKeyUsageExtension>(OID.extendedKeyUsage)?.usages ??
          [],
      ),
      [OID.serverAuth, OID.clientAuth],
    );
    assertEquals(
      find<x509.SubjectKeyIdentifierExtension>(OID.subjectKeyIdentifier)?.keyId,
      certificate.subjectKeyId,
    );
    assertEquals(
      find<x509.AuthorityKeyIdentifierExtension>(OID.authorityKeyIdentifier)
        ?.keyId,
      root.certificate.subjectKeyId,
    );
    assertEquals(
      find<x509.SubjectAlternativeNameExtension>(OID.subjectAltName)?.names
        .toJSON(),
      [
        ...dnsNamesOf(profile).map((value) => ({
          type: "dns" as const,
          value,
        })),
        ...profile.ipAddresses.map((value) => ({ type: "ip" as const, value })),
        { type: "url" as const, value: uriOf(profile) },
      ],
    );
    assert(await seen.verify({ publicKey: issuer, date: new Date(NOW) }));
  }
});

Deno.test("createRoot() writes what an independent library verifies", async () => {
  const { certificate } = await realRoot(3);
  const seen = new x509.X509Certificate(certificate.der);
  assertEquals(seen.subject, "CN=swarm-ca, 2.5.4.5=3");
  assert(await seen.isSelfSigned());
  assert(await seen.verify({ date: new Date(NOW) }));
  assertEquals(seen.getExtension(x509.BasicConstraintsExtension)?.ca, true);
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
  const caKeys = await crypto.subtle.generateKey(ALGORITHM, true, [
    "sign",
    "verify",
  ]);
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, [
    "sign",
    "verify",
  ]);
  const validity = { notBefore: new Date(NOW), notAfter: new Date(NOW + 1e9) };
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: "CN=library, O=x",
    keys: caKeys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 2, true)],
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
      new x509.ExtendedKeyUsageExtension([OID.clientAuth], true),
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
  assertEquals(verdict.ok, true);
});
