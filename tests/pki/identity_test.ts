import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR } from "../../lib/base/time.ts";
import {
  checkIdentity,
  type IdentityExpectation,
  type NodeIdentity,
} from "../../lib/pki/identity.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import type { LeafProfile } from "../../lib/pki/profile.ts";
import {
  authority,
  forge,
  forgeCa,
  type Holder,
  leafProfile,
  NOW,
  purposes,
  realCrypto,
  realLeaf,
  realRoot,
} from "./material.ts";

type Node = Holder & { readonly profile: LeafProfile };

async function identityOf(
  node: Holder,
  roots: readonly Holder[],
): Promise<NodeIdentity> {
  const pkcs8 = await realCrypto.exportPkcs8(node.key.privateKey);
  return {
    key: node.key,
    keyPkcs8Pem: encodePem("PRIVATE KEY", pkcs8),
    chain: [node.certificate],
    bundle: { roots: roots.map((root) => root.certificate) },
  };
}

async function expectationOf(
  node: Node,
  root: Holder,
): Promise<IdentityExpectation> {
  return {
    identity: await identityOf(node, [root]),
    clusterId: node.profile.clusterId,
    nodeId: node.profile.nodeId,
    roles: [node.profile.role],
    now: NOW,
    code: "answer-refused",
  };
}

async function assertRefused(
  expected: IdentityExpectation,
  says: string,
): Promise<void> {
  const error = await assertRejects(
    () => checkIdentity(realCrypto, expected),
    SwarmdError,
    says,
    says,
  );
  assertEquals(error.code, expected.code);
}

const root = await realRoot();

Deno.test("checkIdentity() tells whom a sound identity belongs to", async () => {
  for (const role of ["worker", "manager"] as const) {
    const node = await realLeaf(root, { role });
    const { clusterId, nodeId } = node.profile;
    const found = await checkIdentity(
      realCrypto,
      await expectationOf(node, root),
    );
    const { certificate, ...rest } = found;
    assertEquals(rest, { clusterId, nodeId, role });
    assertEquals(certificate.fingerprint, node.certificate.fingerprint);
    const { nodeId: _, ...open } = await expectationOf(node, root);
    assertEquals((await checkIdentity(realCrypto, open)).nodeId, nodeId);
  }
});

Deno.test("checkIdentity() refuses whatever is not this node's", async () => {
  const node = await realLeaf(root);
  const good = await expectationOf(node, root);
  const other = await leafProfile();
  const { identity } = good;
  const stranger = await realCrypto.generateKey();
  const strangerPem = encodePem(
    "PRIVATE KEY",
    await realCrypto.exportPkcs8(stranger.privateKey),
  );
  const manager = await realLeaf(root, {
    ...node.profile,
    spki: other.spki,
    role: "manager",
  });
  const table: [says: string, change: Partial<IdentityExpectation>][] = [
    ["subject", { clusterId: other.clusterId }],
    ["subject", { nodeId: other.nodeId }],
    ["OU", { roles: ["manager"] }],
    ["empty", { identity: { ...identity, chain: [] } }],
    ["key is not the certificate's", {
      identity: { ...identity, key: stranger },
    }],
    ["key file", { identity: { ...identity, keyPkcs8Pem: strangerPem } }],
    ["key file", { identity: { ...identity, keyPkcs8Pem: "" } }],
    ["key file", {
      identity: { ...identity, keyPkcs8Pem: identity.keyPkcs8Pem.repeat(2) },
    }],
    ["key file", {
      identity: {
        ...identity,
        keyPkcs8Pem: encodePem("PRIVATE KEY", node.key.spki),
      },
    }],
    ["trusted roots", { identity: { ...identity, bundle: { roots: [] } } }],
    ["trusted roots", {
      identity: {
        ...identity,
        bundle: { roots: [(await realRoot()).certificate] },
      },
    }],
    ["OU", { identity: { ...identity, chain: [manager.certificate] } }],
    ["expired", { now: NOW + 91 * DAY }],
    ["valid from", { now: NOW - DAY }],
  ];
  for (const [says, change] of table) {
    await assertRefused({ ...good, ...change }, says);
    await assertRefused({ ...good, ...change, code: "damaged-state" }, says);
  }
});

Deno.test("checkIdentity() with allowExpired overlooks dates and nothing else", async () => {
  const node = await realLeaf(root);
  const good = { ...await expectationOf(node, root), allowExpired: true };
  for (const now of [NOW + 91 * DAY, NOW - 40 * DAY, NOW + 40 * 365 * DAY]) {
    const found = await checkIdentity(realCrypto, { ...good, now });
    assertEquals(found.nodeId, node.profile.nodeId);
  }
  const late = { ...good, now: NOW + 91 * DAY };
  const foreign = { roots: [(await realRoot()).certificate] };
  await assertRefused(
    { ...late, identity: { ...late.identity, bundle: foreign } },
    "trusted roots",
  );
  await assertRefused({ ...late, roles: ["manager"] }, "OU");
});

Deno.test("checkIdentity() needs a chain that serves a manager both ways", async () => {
  const limited = await forgeCa({
    subject: "limited",
    issuer: root,
    extensions: [purposes("clientAuth"), authority()],
  });
  for (const [role, ok] of [["worker", true], ["manager", false]] as const) {
    const node = await realLeaf(limited, { role, notAfter: NOW + HOUR });
    const expected = await expectationOf(node, root);
    const chain = [node.certificate, limited.certificate];
    const identity = { ...expected.identity, chain };
    if (ok) await checkIdentity(realCrypto, { ...expected, identity });
    else await assertRefused({ ...expected, identity }, "serverAuth");
  }
});

Deno.test("checkIdentity() refuses a certificate that names no node", async () => {
  const stranger = await forge({ issuer: root });
  await assertRefused({
    identity: await identityOf(stranger, [root]),
    clusterId: (await leafProfile()).clusterId,
    roles: ["worker", "manager"],
    now: NOW,
    code: "answer-refused",
  }, "OU");
});
