import { assert, assertEquals } from "@std/assert";
import { DAY, HOUR } from "../../lib/base/time.ts";
import { importCa } from "../../lib/pki/ca_import.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { verifyChain } from "../../lib/pki/chain.ts";
import { checkLeaf, issueLeaf } from "../../lib/pki/profile.ts";
import {
  CA,
  CANNOT,
  expectation,
  filesOf,
  KEYS,
  make,
  OPEN,
  PASSPHRASE,
  refusal,
  SIGNS,
} from "./ca_files.ts";
import { leafProfile, realCrypto } from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

/** A leaf under an imported authority, as a file `leaf.pem` and read back. */
async function issueUnder(
  folder: OpensslFolder,
  { anchor, key }: Awaited<ReturnType<typeof importCa>>,
) {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const profile = await leafProfile({
    notBefore: now - HOUR,
    notAfter: now + DAY,
  });
  const der = await issueLeaf(realCrypto, {
    profile,
    issuer: anchor,
    issuerKey: key.privateKey,
  });
  await folder.writeCertificates("leaf.pem", [der]);
  const leaf = await readCertificate(realCrypto, der);
  assertEquals(checkLeaf(leaf, { ...profile, roles: ["worker"] }), []);
  return leaf;
}

for (const [name, key] of Object.entries(KEYS)) {
  Deno.test(`importCa() takes a root of ${name}, whose leaves OpenSSL verifies`, async () => {
    await using folder = await OpensslFolder.create();
    await make(folder, "root", { key });
    const files = await filesOf(folder, {
      certificates: "root.pem",
      key: "root.key",
    });
    const ca = await importCa(realCrypto, files, expectation());
    assertEquals(ca.intermediates, []);
    const leaf = await issueUnder(folder, ca);
    await folder.run("verify -x509_strict -CAfile root.pem leaf.pem");
    const verdict = await verifyChain(realCrypto, {
      presented: [leaf],
      anchors: [ca.anchor],
      usage: "clientAuth",
      at: Date.now(),
    });
    assert(verdict.ok, JSON.stringify(verdict));
    const again = await realCrypto.importPkcs8(
      await realCrypto.exportPkcs8(ca.key.privateKey),
      [ca.anchor.publicKeyType],
    );
    assertEquals(again.spki, ca.key.spki);
  });

  Deno.test(`importCa() opens an encrypted key of ${name}, with its passphrase only`, async () => {
    await using folder = await OpensslFolder.create();
    await make(folder, "root", { key });
    await folder.write("passphrase", PASSPHRASE);
    const seal = "pkcs8 -topk8 -in root.key -passout file:passphrase -out";
    await folder.run(`${seal} cbc.key -v2 aes-256-cbc`);
    await folder.run(`${seal} scrypt.key -scrypt`);
    for (const sealed of ["cbc.key", "scrypt.key"]) {
      const files = await filesOf(folder, {
        certificates: "root.pem",
        key: sealed,
      });
      const given = { ...files, passphrase: PASSPHRASE };
      const { key } = await importCa(realCrypto, given, expectation());
      const plain = await filesOf(folder, {
        certificates: "root.pem",
        key: "root.key",
      });
      const same = await importCa(realCrypto, plain, expectation());
      assertEquals(key.spki, same.key.spki);
      for (const passphrase of ["", "correct horsf"]) {
        const text = await refusal({ ...files, passphrase });
        assertEquals(text, `${OPEN}the passphrase is wrong`);
      }
      const text = await refusal(files);
      assertEquals(
        text,
        `${CANNOT}the key is encrypted, and no passphrase was given`,
      );
    }
  });
}

Deno.test("importCa() takes an intermediate as the anchor, and sends what is above but no root", async () => {
  await using folder = await OpensslFolder.create();
  await make(folder, "root");
  await make(folder, "policy", { issuer: "root" });
  await make(folder, "issuing", {
    issuer: "policy",
    key: KEYS["p384"] ?? "",
    extensions: [`${CA},pathlen:0`, SIGNS],
  });
  const long = await filesOf(folder, {
    certificates: "issuing.pem policy.pem root.pem",
    key: "issuing.key",
  });
  const ca = await importCa(realCrypto, long, expectation());
  const name = (each: { subject: { commonName?: string } }) =>
    each.subject.commonName;
  assertEquals(name(ca.anchor), "issuing");
  assertEquals(ca.intermediates.map(name), ["issuing", "policy"]);
  const leaf = await issueUnder(folder, ca);
  await folder.writeCertificates(
    "sent.pem",
    ca.intermediates.map((each) => each.der),
  );
  await folder.run("verify -CAfile root.pem -untrusted sent.pem leaf.pem");
  await folder.run(
    "verify -x509_strict -partial_chain -CAfile issuing.pem leaf.pem",
  );
  const verdict = await verifyChain(realCrypto, {
    presented: [leaf, ...ca.intermediates],
    anchors: [ca.anchor],
    usage: "clientAuth",
    at: Date.now(),
  });
  assert(verdict.ok, JSON.stringify(verdict));
  const short = await filesOf(folder, {
    certificates: "issuing.pem",
    key: "issuing.key",
  });
  const alone = await importCa(realCrypto, short, expectation());
  assertEquals(alone.intermediates.map(name), ["issuing"]);
});
