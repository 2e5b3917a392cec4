import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { isId } from "../../lib/base/random.ts";
import { HOUR } from "../../lib/base/time.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import {
  checkLeaf,
  encodeLeafTbs,
  LEAF_BACKDATE,
  type LeafExpectation,
  type LeafProfile,
  newSerial,
  ouOf,
  roleOf,
} from "../../lib/pki/profile.ts";
import { CA_BACKDATE, createRoot } from "../../lib/pki/root.ts";
import { SeededRandom } from "../fakes/random.ts";
import {
  forge,
  forgeCa,
  leafProfile,
  NOW,
  random,
  realCrypto,
  realLeaf,
  realRoot,
} from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

Deno.test("roleOf() is the reverse of ouOf() and knows no other unit", () => {
  for (const role of ["manager", "worker"] as const) {
    assertEquals(roleOf(ouOf(role)), role);
  }
  for (
    const ou of [undefined, "", "manager", "Swarm-manager", "swarm-manager "]
  ) {
    assertEquals(roleOf(ou), undefined);
  }
});

Deno.test("newSerial() is positive and always 20 bytes long", () => {
  fc.assert(fc.property(fc.integer(), (seed) => {
    const serial = newSerial(new SeededRandom(seed));
    assertEquals(serial.length, 20);
    assertEquals((serial[0] ?? 0) >> 6, 1);
  }));
});

Deno.test("issueLeaf() makes what OpenSSL verifies under its strict rules", async () => {
  await using folder = await OpensslFolder.create();
  const root = await realRoot();
  const manager = await realLeaf(root, {
    role: "manager",
    dnsNames: ["m.example"],
    ipAddresses: ["10.0.0.5", "::1"],
  });
  const worker = await realLeaf(root);
  await folder.writeCertificates("root.pem", [root.certificate.der]);
  await folder.writeCertificates("manager.pem", [manager.certificate.der]);
  await folder.writeCertificates("worker.pem", [worker.certificate.der]);
  const at = NOW / 1000;
  const verify =
    `verify -x509_strict -check_ss_sig -attime ${at} -CAfile root.pem`;
  for (const purpose of ["sslserver", "sslclient"]) {
    await folder.run(`${verify} -purpose ${purpose} manager.pem worker.pem`);
  }
  for (
    const name of [
      "swarm-manager",
      "swarm-ca",
      "m.example",
      manager.profile.nodeId,
    ]
  ) {
    await folder.run(`${verify} -verify_hostname ${name} manager.pem`);
  }
  await folder.run(`${verify} -verify_ip 10.0.0.5 manager.pem`);
  const posing = await folder.try(
    `${verify} -verify_hostname swarm-manager worker.pem`,
  );
  assert(posing.code !== 0 && posing.stderr.includes("hostname mismatch"));
  const text = await folder.run("x509 -in worker.pem -noout -text");
  const { clusterId, nodeId } = worker.profile;
  for (
    const part of [
      "Version: 3",
      `Subject: O = ${clusterId}, OU = swarm-worker, CN = ${nodeId}`,
      "CA:FALSE",
      "Key Usage: critical\n                Digital Signature\n",
      "TLS Web Server Authentication, TLS Web Client Authentication\n",
      `DNS:swarm-worker, DNS:${nodeId}, URI:spiffe://${clusterId}/node/${nodeId}\n`,
    ]
  ) {
    assert(text.includes(part), `${part} not in ${text}`);
  }
});

Deno.test("createRoot() makes what OpenSSL accepts as a root, with its own name for each generation", async () => {
  await using folder = await OpensslFolder.create();
  const names = new Set<string>();
  for (const generation of [1, 2, 3]) {
    const { certificate } = await realRoot(generation);
    await folder.writeCertificates("root.pem", [certificate.der]);
    await folder.run(
      `verify -x509_strict -check_ss_sig -attime ${
        NOW / 1000
      } -CAfile root.pem root.pem`,
    );
    names.add(toHex(certificate.subject.der));
    assertEquals(certificate.subject.commonName, "swarm-ca");
    assertEquals([...certificate.keyUsage ?? []], ["keyCertSign", "cRLSign"]);
    assertEquals(certificate.notBefore, NOW - CA_BACKDATE);
    assertEquals(new Date(certificate.notAfter).getUTCFullYear(), 2046);
  }
  assertEquals(names.size, 3);
  assert(CA_BACKDATE >= LEAF_BACKDATE);
});

Deno.test("createRoot() rounds to seconds and refuses generation 0", async () => {
  const key = await realCrypto.generateKey();
  const options = {
    random,
    key,
    generation: 1,
    now: NOW + 1,
    lifeMs: HOUR + 1,
  };
  const der = await createRoot(realCrypto, options);
  assertEquals((await readCertificate(realCrypto, der)).notAfter, NOW + HOUR);
  for (const generation of [0, -1, 1.5, NaN]) {
    await assertRejects(
      () => createRoot(realCrypto, { ...options, generation }),
      RangeError,
    );
  }
});

Deno.test("encodeLeafTbs() refuses profiles that no node may have", async () => {
  const { certificate: issuer } = await realRoot();
  const good = await leafProfile({ role: "manager", dnsNames: ["a"] });
  const table: Partial<LeafProfile>[] = [
    { clusterId: "x" },
    { nodeId: "A".repeat(25) },
    { serial: new Uint8Array(20) },
    { serial: fromHex("80" + "00".repeat(19)) },
    { serial: fromHex("7f") },
    { notAfter: good.notBefore },
    { notBefore: NOW + 1 },
    { dnsNames: ["*.example"] },
    { dnsNames: ["10.0.0.5"] },
    { ipAddresses: ["m.example"] },
    { role: "worker", dnsNames: ["a"] },
    { role: "worker", dnsNames: [], ipAddresses: ["::1"] },
  ];
  for (const change of table) {
    await assertRejects(
      () =>
        encodeLeafTbs(realCrypto, { profile: { ...good, ...change }, issuer }),
      RangeError,
      "",
      JSON.stringify(change),
    );
  }
  await encodeLeafTbs(realCrypto, { profile: good, issuer });
});

Deno.test("encodeLeafTbs() names the issuer's key only if that has an identifier", async () => {
  const bare = await forgeCa({ subject: "bare" });
  const leaf = await realLeaf(bare);
  assertEquals(leaf.certificate.authorityKeyId, undefined);
  assertEquals(leaf.certificate.issuer.commonName, "bare");
});

Deno.test("checkLeaf() finds no difference in a leaf of its own profile, any node", async () => {
  const root = await realRoot();
  const id = fc.integer({ min: 0, max: 2 ** 31 })
    .map((seed) => toHex(new SeededRandom(seed).bytes(13)).slice(0, 25));
  const names = fc.uniqueArray(fc.domain().filter((name) => name.length < 64), {
    maxLength: 3,
  });
  const addresses = fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 3 })
    .map((texts) => [...new Set(texts)]);
  await fc.assert(
    fc.asyncProperty(
      id,
      id,
      names,
      addresses,
      async (clusterId, nodeId, dnsNames, ipAddresses) => {
        assert(isId(clusterId));
        const leaf = await realLeaf(root, {
          role: "manager",
          clusterId,
          nodeId,
          dnsNames,
          ipAddresses,
        });
        const { profile } = leaf;
        const expected = { ...profile, roles: [profile.role] };
        assertEquals(checkLeaf(leaf.certificate, expected), []);
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("checkLeaf() names every field that is not as expected", async () => {
  const root = await realRoot();
  const { certificate, profile } = await realLeaf(root, {
    role: "manager",
    dnsNames: ["m.example"],
    ipAddresses: ["10.0.0.5"],
  });
  const expected = { ...profile, roles: ["manager"] as const };
  const other = await leafProfile();
  const table: [change: Partial<LeafExpectation>, text: string][] = [
    [{ clusterId: other.clusterId }, "subject"],
    [{ clusterId: other.clusterId }, "URIs"],
    [{ nodeId: other.nodeId }, "DNS names"],
    [{ roles: ["worker"] }, "OU"],
    [{ roles: [] }, "OU"],
    [{ spki: other.spki }, "key"],
    [{ serial: other.serial }, "serial"],
    [{ notBefore: NOW }, "begin"],
    [{ notAfter: NOW }, "end"],
    [{ dnsNames: [] }, "DNS names"],
    [{ dnsNames: ["m.example", "n.example"] }, "DNS names"],
    [{ ipAddresses: [] }, "IP addresses"],
  ];
  for (const [change, text] of table) {
    const found = checkLeaf(certificate, { ...expected, ...change });
    assert(found.some((each) => each.startsWith(text)), `${text}: ${found}`);
  }
  const { clusterId } = profile;
  assertEquals(
    checkLeaf(certificate, { clusterId, roles: ["manager", "worker"] }),
    [],
  );
});

Deno.test("checkLeaf() does not mind the order of names and purposes", async () => {
  const { certificate, profile } = await realLeaf(await realRoot(), {
    role: "manager",
    ipAddresses: ["10.0.0.5", "2001:DB8:0::1"],
  });
  const leaf = {
    ...certificate,
    extendedKeyUsage: ["clientAuth", "serverAuth"],
    dnsNames: certificate.dnsNames.toReversed(),
    ipAddresses: certificate.ipAddresses.toReversed(),
  };
  assertEquals(checkLeaf(leaf, { ...profile, roles: ["manager"] }), []);
});

Deno.test("checkLeaf() lets a leaf be without its URI, as some authorities cannot write one", async () => {
  const { certificate, profile } = await realLeaf(await realRoot());
  const expected = { ...profile, roles: ["worker"] as const };
  assertEquals(checkLeaf({ ...certificate, uris: [] }, expected), []);
});

Deno.test("checkLeaf() refuses what only looks like a leaf", async () => {
  const root = await realRoot();
  const { certificate, profile } = await realLeaf(root);
  const expected = { ...profile, roles: ["worker"] as const };
  const wrong: Partial<typeof certificate>[] = [
    { version: 1 },
    { isCa: true },
    { keyUsage: new Set(["digitalSignature", "keyCertSign"]) },
    { extendedKeyUsage: ["clientAuth"] },
    { extendedKeyUsage: ["clientAuth", "serverAuth", "1.2.3"] },
    { unknownCritical: ["1.2.3"] },
    { publicKeyType: "p384" },
    { dnsNames: [...certificate.dnsNames, "swarm-manager"] },
    { dnsNames: [certificate.dnsNames.join(", ")] },
    { ipAddresses: ["10.0.0.5"] },
    { uris: [...certificate.uris, "spiffe://x/y"] },
    { uris: ["spiffe://x/y"] },
  ];
  for (const change of wrong) {
    const found = checkLeaf({ ...certificate, ...change }, expected);
    assert(found.length > 0, JSON.stringify(change));
  }
  const { keyUsage: _, ...without } = certificate;
  assert(checkLeaf(without, expected).length > 0);
  const stranger = (await forge({ issuer: root })).certificate;
  assert(
    checkLeaf(stranger, { clusterId: profile.clusterId, roles: ["worker"] })
      .length > 0,
  );
});
