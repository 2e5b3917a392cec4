import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Bytes, toBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import type { KeyPair } from "../../lib/pki/crypto.ts";
import {
  CA_CONSTRAINTS,
  LEAF_CONSTRAINTS,
  LEAF_KEY_USAGE,
  LEAF_PURPOSES,
} from "../../lib/pki/extension_writer.ts";
import type { LeafProfile } from "../../lib/pki/profile.ts";
import type { IssuedResult } from "../../lib/rpc/schemas.ts";
import { readAnswer } from "../../lib/worker/answer.ts";
import { forgeLeaf, type Forgery } from "../fakes/forge.ts";
import { House, NOW } from "../manager/house.ts";
import { profileIn } from "./scripted.ts";

const NODE = "n".repeat(25);
const OTHER = "o".repeat(25);

/** What a dishonest manager may change. */
interface Change {
  readonly profile?: Partial<LeafProfile>;
  readonly forgery?: Forgery;
  /** Signs, instead of the cluster's authority. */
  readonly by?: House;
  readonly answer?: Partial<IssuedResult>;
  /** Changes the chain as a whole. */
  readonly chain?: (chain: readonly Bytes[]) => readonly Bytes[];
}

interface Case {
  readonly house: House;
  readonly key: KeyPair;
}

async function read({ house, key }: Case, change: Change = {}) {
  const leaf = await forgeLeaf(house.crypto, {
    ...change.forgery,
    forger: (change.by ?? house).authority,
    profile: profileIn(house, {
      spki: key.spki,
      nodeId: NODE,
      role: "worker",
      ...change.profile,
    }),
  });
  const chain = (change.chain ?? ((chain) => chain))([leaf]);
  return await readAnswer(house.crypto, {
    answer: {
      node: NODE,
      cluster: house.cluster.id,
      role: "worker",
      chain: chain.map(toBase64),
      issuedAt: NOW,
      now: NOW,
      ...change.answer,
    },
    key,
    bundle: { roots: [house.authority.root] },
    expected: { clusterId: house.cluster.id, nodeId: NODE, now: NOW },
  });
}

async function sound(): Promise<Case> {
  const house = await House.open();
  return { house, key: await house.crypto.generateKey() };
}

Deno.test("readAnswer() takes what is sound in every respect", async () => {
  const c = await sound();
  const held = await read(c);
  assertEquals([held.nodeId, held.role], [NODE, "worker"]);
  assertEquals(held.clusterId, c.house.cluster.id);
  // By this machine's clock, whatever the manager's says.
  const skewed = { issuedAt: NOW - DAY, now: NOW + DAY };
  assertEquals((await read(c, { answer: skewed })).issuedAt, NOW);
  assertEquals(held.identity.key, c.key);
});

Deno.test("readAnswer() takes a promotion", async () => {
  const c = await sound();
  assertEquals(
    (await read(c, {
      profile: { role: "manager" },
      answer: { role: "manager" },
    })).role,
    "manager",
  );
});

Deno.test("readAnswer() refuses an answer with any one thing wrong", async () => {
  const c = await sound();
  const { house } = c;
  const stranger = await House.open({ label: "stranger" });
  const { spki } = await house.crypto.generateKey();
  const cases: Readonly<Record<string, Change>> = {
    "another key": { profile: { spki } },
    "another cluster": { profile: { clusterId: OTHER } },
    "another node": { profile: { nodeId: OTHER } },
    "another node than it says": { answer: { node: OTHER } },
    "no node": { forgery: { subject: [] } },
    "an authority that is not trusted": { by: stranger },
    "a signature by another key": {
      by: {
        authority: { ...stranger.authority, root: house.authority.root },
      } as House,
    },
    "an end that has passed": { profile: { notAfter: NOW - SECOND } },
    "an end that is now": { profile: { notAfter: NOW } },
    "an end a second away": { profile: { notAfter: NOW + SECOND } },
    "a begin that lies ahead": { profile: { notBefore: NOW + HOUR } },
    "an authority's rights": {
      forgery: { usages: [CA_CONSTRAINTS, LEAF_KEY_USAGE, LEAF_PURPOSES] },
    },
    "no purpose": { forgery: { usages: [LEAF_CONSTRAINTS, LEAF_KEY_USAGE] } },
    "a name of managers": {
      forgery: { dnsNames: ["swarm-worker", NODE, "swarm-manager"] },
    },
    "another URI": { forgery: { uris: [`spiffe://${OTHER}/node/${NODE}`] } },
    "an address": { forgery: { ipAddresses: ["10.0.0.1"] } },
    "the root in front": {
      chain: (chain) => [house.authority.root.der, ...chain],
    },
  };
  for (const [what, change] of Object.entries(cases)) {
    const error = await assertRejects(() => read(c, change), SwarmdError);
    assertEquals(error.code, "answer-refused", `${what}: ${error.message}`);
    assert(error.message.length > 30, error.message);
  }
});

Deno.test("readAnswer() refuses what is no certificate", async () => {
  const c = await sound();
  const garbage = [new Uint8Array(), new Uint8Array(7), new Uint8Array(2_000)];
  for (const der of garbage) {
    for (const chain of [() => [der], (c: readonly Bytes[]) => [...c, der]]) {
      const error = await assertRejects(() => read(c, { chain }), SwarmdError);
      assertEquals(error.code, "answer-refused");
    }
  }
});

Deno.test("readAnswer() names everything that is wrong", async () => {
  const c = await sound();
  const change = { profile: { clusterId: OTHER, nodeId: OTHER } };
  const error = await assertRejects(() => read(c, change), SwarmdError);
  assert(error.message.includes("subject"), error.message);
  assert(error.message.includes("URIs"), error.message);
});

Deno.test("readAnswer() wants a window that lies ahead", async () => {
  const c = await sound();
  for (const seconds of [2, 10, 20 * 60, 3_600]) {
    const notAfter = NOW + seconds * SECOND;
    const held = await read(c, { profile: { notAfter } });
    assertEquals(held.certificate.notAfter, notAfter);
  }
});
