import { assert, assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { bundleOf, type BundleRoot } from "../../lib/cluster/root_views.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import { judgeOffer, type OfferCase } from "../../lib/worker/adoption.ts";
import { House } from "../manager/house.ts";
import { operate } from "../manager/operate.ts";
import { Fleet } from "./fleet.ts";

/** What a worker holds, and what is offered, before and after a rotation. */
async function rotated() {
  await using fleet = await Fleet.open();
  const { house, running } = fleet;
  const { worker } = await fleet.join(fleet.device("one"));
  const chain = async () => {
    const { chainPem = "" } = running.credentials.at(-1) ?? {};
    const ders = decodePem(chainPem, "CERTIFICATE");
    return await Promise.all(
      ders.map((der) => readCertificate(house.crypto, der)),
    );
  };
  const before = { held: worker.held, presented: await chain() };
  const old = bundleOf(house.cluster);
  await operate(running, "ca/rotate");
  let both = old;
  for (let i = 0; house.cluster.rotation; i++) {
    assert(i < 60_000, "it does not end");
    await fleet.pass(1);
    if (house.cluster.rotation?.phase === "trusting") {
      both = bundleOf(house.cluster);
    }
  }
  const after = { held: worker.held, presented: await chain() };
  return { house, before, after, old, both, next: bundleOf(house.cluster) };
}

type Rotated = Awaited<ReturnType<typeof rotated>>;

async function judge(
  { house, before }: Rotated,
  { roots }: { readonly roots: readonly BundleRoot[] },
  change: Partial<OfferCase> = {},
) {
  return await judgeOffer(house.crypto, {
    ...before,
    offer: { roots: [...roots] },
    generation: 0,
    now: house.clock.now(),
    ...change,
  });
}

Deno.test("judgeOffer() takes a bundle that an own root vouches for, and under which both chains are good", async () => {
  const rotation = await rotated();
  const { after, old, both, next } = rotation;
  const before = await judge(rotation, old);
  assertEquals(before.held.trust.bundle, old.digest);
  const adopted = await judge(rotation, both);
  assertEquals(adopted.held.trust.bundle, both.digest);
  assertEquals(adopted.generation, 2);
  const done = await judge(rotation, next, after);
  assertEquals(done.held.trust.bundle, next.digest);
  assertEquals(done.held.identity.chain, after.held.identity.chain);
});

Deno.test("judgeOffer() refuses a bundle that no own root vouches for, or under which a chain would break", async () => {
  const rotation = await rotated();
  const { before, after, both, next } = rotation;
  const [first, second] = both.roots;
  assert(first && second);
  const other = (await House.open({ label: "other" })).cluster.root.certificate;
  const { cross: _, ...bare } = second;
  const cases: readonly [
    string,
    readonly BundleRoot[],
    Partial<OfferCase>,
    RegExp,
  ][] = [
    ["no cross-signature", [first, bare], {}, /^root-mismatch/],
    [
      "a stranger's root with the cross-signature of another",
      [first, { ...second, certificate: other }],
      {},
      /^root-mismatch/,
    ],
    ["it breaks the own chain", [second], {}, /^answer-refused/],
    [
      "it breaks the manager's chain",
      next.roots,
      { held: after.held, presented: before.presented },
      /the manager itself is not good under it/,
    ],
  ];
  for (const [what, roots, change, says] of cases) {
    const { code, message } = await assertRejects(
      () => judge(rotation, { roots }, change),
      SwarmdError,
    );
    assert(says.test(`${code}: ${message}`), `${what}: ${code}: ${message}`);
  }
});
