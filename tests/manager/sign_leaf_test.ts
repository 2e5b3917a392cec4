import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import { describeError, SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import {
  CA_CONSTRAINTS,
  LEAF_CONSTRAINTS,
  LEAF_KEY_USAGE,
  LEAF_PURPOSES,
} from "../../lib/pki/extension_writer.ts";
import { type LeafProfile, newSerial } from "../../lib/pki/profile.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { forgeLeaf, type Forgery } from "../fakes/forge.ts";
import { House, NOW } from "./house.ts";

type Forge = (profile: LeafProfile) => {
  readonly profile?: Partial<LeafProfile>;
  readonly forgery?: Forgery;
};

/** A house whose authority signs something else than it was asked. */
async function hostile(forge: Forge): Promise<House> {
  const house = await House.open();
  house.signer = {
    ...house.signer,
    issue: (asked) => {
      const { profile, forgery } = forge(asked);
      return forgeLeaf(house.crypto, {
        ...forgery,
        profile: { ...asked, ...profile },
        forger: house.authority,
      });
    },
  };
  return house;
}

async function refusal(house: House): Promise<SwarmdError> {
  const before = house.nodes;
  const key = await house.crypto.generateKey();
  const error = await assertRejects(() => house.join(key), SwarmdError);
  assertEquals(house.nodes, before);
  return error;
}

const OTHER = "z".repeat(25);
const OTHER_SERIAL = new Uint8Array(20).fill(0x41);

const FORGERIES: Readonly<Record<string, Forge>> = {
  "another cluster": () => ({ profile: { clusterId: OTHER } }),
  "another node": () => ({ profile: { nodeId: OTHER } }),
  "another role": () => ({ profile: { role: "manager" } }),
  "another serial": () => ({ profile: { serial: OTHER_SERIAL } }),
  "an earlier begin": (p) => ({
    profile: { notBefore: p.notBefore - SECOND },
  }),
  "a later begin": (p) => ({ profile: { notBefore: p.notBefore + SECOND } }),
  "a later end": (p) => ({ profile: { notAfter: p.notAfter + SECOND } }),
  "an end that has passed": (p) => ({
    profile: { notAfter: p.notBefore + SECOND },
  }),
  "a host name": (p) => ({
    forgery: { dnsNames: ["swarm-worker", p.nodeId, "example.com"] },
  }),
  "the name of managers": (p) => ({
    forgery: { dnsNames: ["swarm-worker", p.nodeId, "swarm-manager"] },
  }),
  "an address": () => ({ forgery: { ipAddresses: ["10.0.0.1"] } }),
  "no names": () => ({ forgery: { dnsNames: [], uris: [] } }),
  "another URI": () => ({ forgery: { uris: ["spiffe://x/node/y"] } }),
  "an authority": () => ({
    forgery: { usages: [CA_CONSTRAINTS, LEAF_KEY_USAGE, LEAF_PURPOSES] },
  }),
  "no purposes": () => ({
    forgery: { usages: [LEAF_CONSTRAINTS, LEAF_KEY_USAGE] },
  }),
  "no key usage": () => ({
    forgery: { usages: [LEAF_CONSTRAINTS, LEAF_PURPOSES] },
  }),
  "no subject": () => ({ forgery: { subject: [] } }),
};

for (const [what, forge] of Object.entries(FORGERIES)) {
  Deno.test(`signLeaf() refuses an authority's answer with ${what}`, async () => {
    const error = await refusal(await hostile(forge));
    assertEquals(error.code, "signer-unavailable", error.message);
  });
}

Deno.test("signLeaf() refuses an answer for another key", async () => {
  const house = await House.open();
  const { spki } = await house.crypto.generateKey();
  const inner = house.signer;
  house.signer = {
    ...inner,
    issue: (profile, csr) => inner.issue({ ...profile, spki }, csr),
  };
  const error = await refusal(house);
  assertEquals(error.code, "signer-unavailable");
  const text = describeError(error);
  assert(text.includes("key is another one"), text);
});

Deno.test("signLeaf() refuses an answer that is no certificate", async () => {
  const garbage: Bytes[] = [
    new Uint8Array(),
    new Uint8Array(1_000),
    new Uint8Array(64 * 1024),
  ];
  for (const der of garbage) {
    const house = await House.open();
    house.signer = { ...house.signer, issue: () => Promise.resolve(der) };
    const error = await refusal(house);
    assertEquals(error.code, "signer-unavailable", error.message);
    assertEquals(error.verdict, "retry");
  }
});

Deno.test("signLeaf() passes on what the authority refuses with", async () => {
  const house = await House.open();
  for (const code of ["signer-unavailable", "csr-refused"] as const) {
    house.signer = {
      ...house.signer,
      issue: () => Promise.reject(new SwarmdError(code, "Cannot sign: no")),
    };
    assertEquals((await refusal(house)).code, code);
  }
});

Deno.test("signLeaf() asks for the profile of the architecture", async () => {
  const house = await House.open();
  const asked: LeafProfile[] = [];
  const inner = house.signer;
  house.signer = {
    ...inner,
    issue: (profile, csr) => {
      asked.push(profile);
      return inner.issue(profile, csr);
    },
  };
  await house.clock.advance(1_234);
  const { id, chain: [der] } = await house.addNode();
  const [profile] = asked;
  assertEquals(profile?.clusterId, house.cluster.id);
  assertEquals(profile?.nodeId, id);
  assertEquals(profile?.dnsNames, []);
  // Backdated an hour, whole seconds.
  assertEquals(profile?.notBefore, NOW + SECOND - HOUR);
  assertEquals(profile?.notAfter, NOW + SECOND + 90 * DAY);
  const leaf = await readCertificate(house.crypto, der ?? new Uint8Array());
  const record = house.node(id).certificates.pending;
  assertEquals(record?.fingerprint, leaf.fingerprint);
  assertEquals(record?.serial, leaf.serial);
  assertEquals(record?.issuedAt, house.clock.now());
  assertEquals(record?.issuerKeyId, house.authority.root.subjectKeyId);
});

Deno.test("signLeaf() never promises a life beyond its issuer's", async () => {
  const house = await House.open();
  const issuer = { ...house.signer.issuer, notAfter: NOW + 60 * DAY };
  house.signer = { ...house.signer, issuer };
  const { id } = await house.addNode();
  assertEquals(house.node(id).certificates.pending?.notAfter, issuer.notAfter);
});

Deno.test("newSerial() gives every certificate another number", async () => {
  const house = await House.open();
  const serials = Array.from({ length: 100 }, () => newSerial(house.random));
  assertEquals(new Set(serials.map(String)).size, 100);
});

Deno.test("signLeaf() leaves serial number and moments to an authority elsewhere, and nothing else", async () => {
  const own = ["another serial", "an earlier begin", "a later end"];
  for (const [what, forge] of Object.entries(FORGERIES)) {
    const house = await hostile(forge);
    house.signer = { ...house.signer, choosesMoments: true };
    const key = await house.crypto.generateKey();
    if (own.includes(what)) await house.join(key);
    else if (!/^(?:a later begin|an end that)/.test(what)) await refusal(house);
  }
});
