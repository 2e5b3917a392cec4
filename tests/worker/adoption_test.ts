import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Bytes, toBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, SECOND } from "../../lib/base/time.ts";
import {
  type Certificate,
  readCertificate,
} from "../../lib/pki/certificate.ts";
import { crossSign } from "../../lib/pki/cross_sign.ts";
import type { PrivateKey } from "../../lib/pki/crypto.ts";
import {
  CA_CONSTRAINTS,
  CA_KEY_USAGE,
} from "../../lib/pki/extension_writer.ts";
import { encodeName } from "../../lib/pki/names.ts";
import { OID } from "../../lib/pki/oids.ts";
import { newSerial } from "../../lib/pki/profile.ts";
import { createRoot } from "../../lib/pki/root.ts";
import { encodeTbs, signed } from "../../lib/pki/tbs.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import type { BundleParams } from "../../lib/rpc/schemas.ts";
import { judgeOffer, type OfferCase } from "../../lib/worker/adoption.ts";
import type { HeldIdentity } from "../../lib/worker/held_identity.ts";
import { WorkerState } from "../../lib/worker/state.ts";
import { forgeLeaf } from "../fakes/forge.ts";
import { CALM, House } from "../manager/house.ts";
import { Device } from "./device.ts";
import { Fleet } from "./fleet.ts";
import { profileIn } from "./scripted.ts";

interface Made {
  readonly root: Certificate;
  readonly key: PrivateKey;
}

type OfferedRoot = BundleParams["roots"][number];

async function madeRoot(house: House, generation: number): Promise<Made> {
  const { crypto, random, clock } = house;
  const key = await crypto.generateKey();
  const order = { random, now: clock.now(), generation, key };
  const der = await createRoot(crypto, order);
  return { root: await readCertificate(crypto, der), key: key.privateKey };
}

/** As a bundle names a root, with what vouches for it. */
async function vouched(
  house: House,
  { root }: Made,
  by: { readonly issuer: Made; readonly generation: number },
): Promise<OfferedRoot> {
  const { crypto, random, clock, cluster } = house;
  const { issuer, generation } = by;
  const cross = await crossSign(crypto, {
    ...{ clusterId: cluster.id, generation, successor: false, random, root },
    ...{ issuer: issuer.root, issuerKey: issuer.key, now: clock.now() },
    end: clock.now() + DAY,
  });
  return { ...plain(root, generation), cross: toBase64(cross) };
}

function plain({ der }: { der: Bytes }, generation: number): OfferedRoot {
  return { generation, certificate: toBase64(der) };
}

async function joined() {
  const house = await House.open();
  const held = await new Device(house).join();
  const { authority, crypto, clock } = house;
  const judge = (roots: OfferedRoot[], change: Partial<OfferCase> = {}) =>
    judgeOffer(crypto, {
      ...{ offer: { roots }, held, generation: 0, now: clock.now() },
      presented: [house.serving.certificate],
      ...change,
    });
  return { house, held, judge, first: authority, own: authority.root };
}

async function refusal(work: Promise<unknown>): Promise<SwarmdError> {
  return await assertRejects(() => work, SwarmdError);
}

Deno.test("judgeOffer() gives the generation that was proved, whatever is said of it", async () => {
  const { house, judge, first, own } = await joined();
  const two = await madeRoot(house, 2);
  const offered = await vouched(house, two, { issuer: first, generation: 2 });
  const said = { ...offered, generation: Number.MAX_SAFE_INTEGER };
  const { generation, held } = await judge([plain(own, 1), said]);
  assertEquals(generation, 2);
  assertEquals(held.identity.bundle.roots.length, 2);
  // Nothing in it is new: nothing was proved.
  const same = [plain(own, Number.MAX_SAFE_INTEGER)];
  assertEquals((await judge(same, { generation: 7 })).generation, 7);
});

Deno.test("judgeOffer() looks at the generation where the way ends, not where it begins", async () => {
  const { house, judge, first, own } = await joined();
  const [two, three] = [await madeRoot(house, 2), await madeRoot(house, 3)];
  const way = [
    plain(own, 1),
    await vouched(house, two, { issuer: first, generation: 2 }),
    await vouched(house, three, { issuer: two, generation: 3 }),
  ];
  for (const generation of [0, 2, 3]) {
    assertEquals((await judge(way, { generation })).generation, 3);
  }
  const error = await refusal(judge(way, { generation: 4 }));
  assertEquals(error.code, "root-mismatch");
  assert(error.message.includes("of generation 3"), error.message);
  const half = await refusal(judge(way.slice(0, 2), { generation: 3 }));
  assertEquals(half.code, "root-mismatch");
});

Deno.test("judgeOffer() walks upwards only", async () => {
  const { house, judge, first, own } = await joined();
  const [two, three] = [await madeRoot(house, 2), await madeRoot(house, 3)];
  for (const generation of [2, 3]) {
    const way = [
      plain(own, 1),
      await vouched(house, three, { issuer: first, generation: 3 }),
      await vouched(house, two, { issuer: three, generation }),
    ];
    assertEquals((await refusal(judge(way))).code, "root-mismatch");
  }
});

Deno.test("judgeOffer() lets a bundle be given up, and forgets no generation for it", async () => {
  const { house, judge, first, own } = await joined();
  const two = await madeRoot(house, 2);
  const offered = await vouched(house, two, { issuer: first, generation: 2 });
  const { held } = await judge([plain(own, 1), offered]);
  const back = await judge([plain(own, 1)], { held, generation: 2 });
  assertEquals(back.generation, 2);
  assertEquals(back.held.identity.bundle.roots.length, 1);
});

/** A root whose key a company keeps, and what it issued for a cluster. */
async function foreign(house: House, label: string) {
  const { crypto, random, clock } = house;
  const pair = await crypto.generateKey();
  const name = encodeName([[OID.commonName, label]]);
  const now = Math.floor(clock.now() / SECOND) * SECOND;
  const body = encodeTbs({
    ...{ serial: newSerial(random), issuer: name, subject: name },
    ...{ notBefore: now - DAY, notAfter: now + 365 * DAY, spki: pair.spki },
    extensions: [CA_CONSTRAINTS, CA_KEY_USAGE],
  });
  const der = await signed(crypto, { key: pair.privateKey, body });
  const root = await readCertificate(crypto, der);
  const forger = { root, key: pair.privateKey };
  const leaf = async (change: Partial<Parameters<typeof profileIn>[1]>) => {
    const { spki } = await crypto.generateKey();
    const profile = profileIn(house, { spki, ...change });
    const issued = await forgeLeaf(crypto, { forger, profile });
    return await readCertificate(crypto, issued);
  };
  return { root, leaf };
}

async function heldUnder(
  { root, leaf }: Awaited<ReturnType<typeof foreign>>,
  held: HeldIdentity,
): Promise<HeldIdentity> {
  const { key, keyPkcs8Pem } = held.identity;
  const { spki } = key;
  const { nodeId } = held;
  const certificate = await leaf({ spki, nodeId, role: "worker" });
  const bundle = { roots: [root] };
  const identity = { key, keyPkcs8Pem, chain: [certificate], bundle };
  return { ...held, certificate, identity };
}

Deno.test("judgeOffer() takes no generation on the word of a manager, so that none can be put out of reach", async () => {
  const { house, held: before, judge, first } = await joined();
  const [company, next] = [
    await foreign(house, "Company"),
    await foreign(house, "Company 2"),
  ];
  const held = await heldUnder(company, before);
  const presented = [await company.leaf({})];
  const far = Number.MAX_SAFE_INTEGER;
  const offers = [
    [plain(company.root, far)],
    [plain(company.root, 1), plain(next.root, far)],
  ];
  for (const roots of offers) {
    const adopted = await judge(roots, { held, presented, generation: 1 });
    assertEquals(adopted.generation, 1);
    assertEquals(adopted.held.identity.bundle.roots.length, roots.length);
  }
  // With an own root among those that are trusted, a word is not enough.
  const own = { roots: [company.root, first.root] };
  const both = { ...held, identity: { ...held.identity, bundle: own } };
  const roots = [plain(company.root, 1), plain(next.root, 2)];
  const error = await refusal(judge(roots, { held: both, presented }));
  assertEquals(error.code, "root-mismatch");
});

Deno.test("Worker judges an offer by what it remembers when its turn comes", async () => {
  await using fleet = await Fleet.open();
  const { house } = fleet;
  const device = fleet.device("one");
  const first = house.authority;
  const [high, low] = [await madeRoot(house, 5), await madeRoot(house, 3)];
  const own = plain(first.root, 1);
  const fifth = await vouched(house, high, { issuer: first, generation: 5 });
  const third = await vouched(house, low, { issuer: first, generation: 3 });
  const { sessions } = fleet.running.manager.desk;
  let saves = 0;
  const trusted = new Set<string>();
  const { id, worker } = await fleet.join(device, {
    before: () => Promise.resolve(),
    after: (what) => {
      if (what !== "save") return Promise.resolve();
      const roots = decodePem(
        device.disk.identity?.rootsPem ?? "",
        "CERTIFICATE",
      );
      for (const der of roots) trusted.add(toBase64(der));
      // While the other one is not answered yet.
      if (++saves === 2) {
        sessions.push(id, "ca.bundle", { roots: [own, third] });
      }
      return Promise.resolve();
    },
  });
  sessions.push(id, "ca.bundle", { roots: [own, fifth] });
  await fleet.pass(30 * SECOND);
  assert(trusted.has(fifth.certificate));
  assert(!trusted.has(third.certificate), "an older one was adopted");
  assertEquals(worker.membership.generation, 5);
  const state = await WorkerState.load(device.disk.open(CALM));
  assertEquals(state.of(id)?.generation, 5);
});
