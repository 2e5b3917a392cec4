import { assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR } from "../../lib/base/time.ts";
import {
  CA_CONSTRAINTS,
  LEAF_CONSTRAINTS,
  LEAF_KEY_USAGE,
  LEAF_PURPOSES,
} from "../../lib/pki/extension_writer.ts";
import {
  judgeManager,
  type ManagerExpectation,
} from "../../lib/worker/judge_manager.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import type { VoidManager } from "../../lib/worker/state.ts";
import { pipe } from "../fakes/pipe.ts";
import { House, NOW } from "../manager/house.ts";
import { forge, forgeCa } from "../pki/material.ts";
import { managerLeaf } from "./scripted.ts";

const OTHER = "o".repeat(25);

async function judge(
  house: House,
  presented: readonly Bytes[],
  expected: Partial<ManagerExpectation> = {},
) {
  const { near } = pipe({ clock: house.clock, near: { presented } });
  const { clusterId, now = NOW, voids = [] } = expected;
  return await judgeManager(house.crypto, near, {
    ...{ now, voids },
    ...(clusterId !== undefined && { clusterId }),
  });
}

async function code(work: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => work, SwarmdError)).code;
}

Deno.test("judgeManager() takes a manager of the cluster", async () => {
  const house = await House.open();
  const { id: clusterId } = house.cluster;
  const leaf = await managerLeaf(house);
  const judged = await judge(house, [leaf], { clusterId });
  assertEquals(judged.nodeId, house.manager.id);
  assertEquals(judged.certificate.der, leaf);
  // While joining the certificate says which cluster it is.
  assertEquals((await judge(house, [leaf])).clusterId, clusterId);
  // Its own names and addresses are its own business.
  const named = await managerLeaf(house, {
    dnsNames: ["m.example.com"],
    ipAddresses: ["10.0.0.5"],
  });
  await judge(house, [named], { clusterId });
});

Deno.test("judgeManager() refuses everybody else", async () => {
  const house = await House.open();
  const { id: clusterId } = house.cluster;
  const purposes = (...usages: Bytes[]) =>
    managerLeaf(house, {
      forgery: { usages },
    });
  const cases: readonly [string, Bytes, string][] = [
    [
      "another cluster",
      await managerLeaf(house, { clusterId: OTHER }),
      "foreign-cluster",
    ],
    [
      "no subject",
      await managerLeaf(house, { forgery: { subject: [] } }),
      "foreign-cluster",
    ],
    ["a worker", await managerLeaf(house, { role: "worker" }), "tls"],
    [
      "a worker with a manager's name",
      await managerLeaf(house, {
        role: "worker",
        forgery: { dnsNames: ["swarm-manager", "swarm-worker"] },
      }),
      "tls",
    ],
    [
      "a manager without the name",
      await managerLeaf(house, { forgery: { dnsNames: ["swarm-ca"] } }),
      "tls",
    ],
    [
      "one that ended",
      await managerLeaf(house, { notAfter: NOW - 1_000 }),
      "tls",
    ],
    ["one that ends now", await managerLeaf(house, { notAfter: NOW }), "tls"],
    [
      "one that lies ahead",
      await managerLeaf(house, { notBefore: NOW + HOUR }),
      "tls",
    ],
    [
      "an authority",
      await purposes(CA_CONSTRAINTS, LEAF_KEY_USAGE, LEAF_PURPOSES),
      "tls",
    ],
    ["no purposes", await purposes(LEAF_CONSTRAINTS, LEAF_KEY_USAGE), "tls"],
    ["the root itself", house.authority.root.der, "foreign-cluster"],
  ];
  for (const [what, leaf, want] of cases) {
    assertEquals(await code(judge(house, [leaf], { clusterId })), want, what);
  }
});

Deno.test("judgeManager() refuses a forged version 1 manager", async () => {
  const house = await House.open();
  const ca = await forgeCa({});
  const { certificate } = await forge({ issuer: ca, version: 1 });
  assertEquals(await code(judge(house, [certificate.der])), "foreign-cluster");
  // The leaf, whatever else comes along.
  const sound = await managerLeaf(house);
  const both = judge(house, [certificate.der, sound]);
  assertEquals(await code(both), "foreign-cluster");
});

Deno.test("judgeManager() refuses a peer that showed nothing, or garbage", async () => {
  const house = await House.open();
  assertEquals(await code(judge(house, [])), "tls");
  const garbage = judge(house, [new Uint8Array(10)]);
  assertEquals(await code(garbage), "tls");
});

Deno.test("judgeManager() goes by the moment that it is told", async () => {
  const house = await House.open();
  const leaf = await managerLeaf(house, { notAfter: NOW + DAY });
  await judge(house, [leaf], { now: NOW + DAY - 1 });
  const late = judge(house, [leaf], { now: NOW + DAY });
  assertEquals(await code(late), "tls");
});

Deno.test("judgeManager() refuses a manager whose certificate was called void (W24)", async () => {
  const house = await House.open();
  const leaf = await managerLeaf(house);
  const { fingerprint, notBefore } = await readCertificate(house.crypto, leaf);
  const named = { fingerprint, until: NOW + DAY };
  const cases: readonly [string, Partial<VoidManager>, boolean][] = [
    ["by who has a newer one", { newest: notBefore + 1 }, true],
    ["by who has one of the same moment", { newest: notBefore }, true],
    ["by who has an older one", { newest: notBefore - 1 }, false],
    ["another one", { fingerprint: "0".repeat(64) }, false],
  ];
  for (const [what, entry, isVoid] of cases) {
    const voids = [{ ...named, newest: NOW, ...entry }];
    const judged = judge(house, [leaf], { voids });
    if (isVoid) assertEquals(await code(judged), "tls", what);
    else assertEquals((await judged).nodeId, house.manager.id, what);
  }
});
