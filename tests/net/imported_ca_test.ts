import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { newId } from "../../lib/base/random.ts";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import { systemCrypto, systemRandom } from "../../lib/net/system.ts";
import type { ImportedCa } from "../../lib/pki/ca_import.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { issueLeaf, newSerial, type Role } from "../../lib/pki/profile.ts";
import { record } from "../contracts/connection_contract.ts";
import { importedCa } from "../signer/roots.ts";
import { dialer, never, openPair, TestServer } from "./harness.ts";

/** A node's certificate and key under an imported authority, and its anchor. */
async function newNode(ca: ImportedCa, role: Role) {
  const { anchor: issuer, key: { privateKey: issuerKey } } = ca;
  const key = await systemCrypto.generateKey();
  const now = Math.floor(Date.now() / SECOND) * SECOND;
  const leaf = await issueLeaf(systemCrypto, {
    issuer,
    issuerKey,
    profile: {
      clusterId: newId(systemRandom),
      nodeId: newId(systemRandom),
      role,
      spki: key.spki,
      serial: newSerial(systemRandom),
      notBefore: now - HOUR,
      notAfter: now + DAY,
      dnsNames: [],
      ipAddresses: [],
    },
  });
  const pem = (der: Uint8Array) => encodePem("CERTIFICATE", der);
  const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
  return {
    chainPem: pem(leaf) + ca.intermediates.map(({ der }) => pem(der)).join(""),
    keyPem: encodePem("PRIVATE KEY", pkcs8),
    rootsPem: pem(issuer.der),
    leaf,
  };
}

for (
  const type of ["rsa:2048", "ec:P-256", "ec:P-384", "ed25519"]
) {
  Deno.test(`tlsDialer() and listenTls() trust an intermediate of ${type} as the anchor`, async () => {
    const ca = await importedCa(type);
    const server = await newNode(ca, "manager");
    const identity = await newNode(ca, "worker");
    const { rootsPem } = identity;
    const pair = await openPair({ server, client: { rootsPem, identity } });
    await using _listening = pair.listening;
    assertEquals(pair.server.facts.presented[0], identity.leaf);
    assertEquals(pair.client.facts.presented[0], server.leaf);
    const ends = [record(pair.client), record(pair.server)];
    pair.client.close();
    await Promise.all(ends.map((end) => end.ended));
  });
}

Deno.test("tlsDialer() refuses what another authority below the same root signed", async () => {
  const [ca, other] = [
    await importedCa("ec:P-256"),
    await importedCa("ec:P-256"),
  ];
  await using listening = await TestServer.start(await newNode(ca, "manager"));
  const { rootsPem } = await newNode(other, "worker");
  const error = await assertRejects(
    () => dialer.dial(listening.endpoint, { rootsPem }, never),
    SwarmdError,
  );
  assertEquals(error.code, "tls");
});
