import { assertEquals, assertRejects } from "@std/assert";
import { fromBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, MINUTE } from "../../lib/base/time.ts";
import { Authorities } from "../../lib/manager/authorities.ts";
import type {
  AuthorityBounds,
  AuthoritySource,
  ReadAuthority,
} from "../../lib/manager/authority_source.ts";
import { RotationChanges } from "../../lib/manager/rotation_changes.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { verifyCross } from "../../lib/pki/cross_sign.ts";
import { turn } from "../fakes/clock.ts";
import { AUTHORITY, foreignRoot, reading } from "./foreign_root.ts";
import { House } from "./house.ts";
import { Running } from "./running.ts";

/** A house whose authorities elsewhere answer when they are told to. */
async function slowHouse() {
  const house = await House.open();
  const source = await foreignRoot(house, "Corporate");
  const gate = Promise.withResolvers<AuthoritySource>();
  reading(house, () => gate.promise);
  return { house, answer: () => gate.resolve(source), source };
}

/** The authorities of a house that can be elsewhere as well. */
async function withExternal(house: House): Promise<Authorities> {
  const elsewhere = () => Promise.reject(new Error("It is not asked"));
  return await Authorities.open({
    ...house,
    keyRing: house.keyRing,
    makeSigner: (authority) => house.signs(authority),
    makeExternalSigner: ({ issuer }) => ({
      ...{ issuer, intermediates: [], choosesMoments: true },
      issue: elsewhere,
      check: () => Promise.resolve([]),
      health: () => [],
    }),
  });
}

/** The changes of a manager whose loops do not run. */
function changesOf(house: House): RotationChanges {
  return new RotationChanges({
    ...house,
    keyRing: house.keyRing,
    nodeId: house.manager.id,
    sessions: house.desk.sessions,
    followSelf: () => Promise.resolve(),
  });
}

/** That a root vouches for the one after it. */
async function assertVouched(
  { crypto, cluster, clock }: House,
  { by, root, cross }: { by: string; root: string; cross: string },
): Promise<void> {
  const read = (base64: string) => readCertificate(crypto, fromBase64(base64));
  const expected = {
    clusterId: cluster.id,
    issuer: await read(by),
    above: 0,
    at: clock.now(),
    unverified: false,
  };
  const vouched = { root: await read(root), cross: await read(cross) };
  await verifyCross(crypto, vouched, expected);
}

Deno.test("RotationChanges.start() makes a root for what the cluster is when its authority has answered", async () => {
  for (const meanwhile of ["finished", "aborted"] as const) {
    const { house, answer, source } = await slowHouse();
    await using running = await Running.start(house);
    const { rotation } = running.manager;
    const first = house.cluster.root;
    await rotation.start({});
    const ordered = rotation.start({ authority: AUTHORITY });
    if (meanwhile === "aborted") await rotation.abort();
    await house.clock.advance(MINUTE);
    const { root, lastRotation } = house.cluster;
    assertEquals(lastRotation?.outcome, meanwhile);
    assertEquals(root.generation, meanwhile === "finished" ? 2 : 1);
    answer();
    const id = await ordered;
    await house.clock.advance(MINUTE);
    const { cluster } = house;
    assertEquals([cluster.lastRotation?.id, cluster.root.generation], [id, 3]);
    assertEquals(
      fromBase64(cluster.root.certificate),
      source.anchor.der,
    );
    const links = cluster.links ?? [];
    assertEquals(links.map(({ from, to }) => [from, to]), [
      ...(meanwhile === "finished" ? [[1, 2]] : []),
      [root.generation, 3],
    ]);
    for (const link of links) {
      await assertVouched(house, { ...link, by: link.certificate });
    }
    assertEquals(links[0]?.certificate, first.certificate);
  }
});

Deno.test("RotationChanges.start() has an authority elsewhere tried with what it will have to sign, and never clamps that", async () => {
  const house = await House.open();
  const { anchor, intermediates } = await foreignRoot(house, "Corporate");
  const signs = {
    external: [{ url: "https://a", credentials: { rootsPem: "" } }],
  };
  const bounds: AuthorityBounds[] = [];
  const readAuthority: ReadAuthority = (_texts, each) => {
    bounds.push(each);
    return Promise.resolve({ anchor, intermediates, signs });
  };
  const authorities = await withExternal(house);
  Object.assign(house, { readAuthority, authorities });
  await changesOf(house).start({ authority: { external: [] } });
  assertEquals(bounds, [{ until: house.authorities.root.notAfter }]);
  const { rotation, leafLifeMs } = house.cluster;
  const { deadline = 0, cross } = rotation ?? {};
  assertEquals(cross?.notAfter, deadline + leafLifeMs + DAY);
});

Deno.test("RotationChanges never forgets a key that another change has just opened", async () => {
  const house = await House.open();
  const changes = changesOf(house);
  await changes.start({});
  const gate = Promise.withResolvers<void>();
  const { authorities } = house;
  const prepare = authorities.prepare.bind(authorities);
  authorities.prepare = async (cluster) => {
    await prepare(cluster);
    await gate.promise;
  };
  const replacing = changes.start({});
  await turn();
  const others = [changes.finish(), changes.advance(), changes.abort()];
  await turn();
  gate.resolve();
  const id = await replacing;
  const { rotation } = house.cluster;
  assertEquals([rotation?.id, rotation?.phase], [id, "renewing"]);
  const now = house.clock.now();
  const { issuer } = authorities.signerFor({ role: "worker", now });
  const target = fromBase64(rotation?.target.certificate ?? "");
  assertEquals(issuer.der, target);
  await Promise.all(others);
});

Deno.test("RotationChanges.cutOff() does not hit another root than the one it was ordered for", async () => {
  const house = await House.open();
  const changes = changesOf(house);
  const starting = changes.start({});
  // It has looked at the record, and not written to it
  for (let i = 0; i < 4; i++) await Promise.resolve();
  const late = changes.cutOff({ cutAll: false });
  const error = await assertRejects(() => late, SwarmdError);
  assertEquals(error.code, "precondition");
  const id = await starting;
  assertEquals(house.cluster.rotation?.id, id);
  assertEquals(house.cluster.compromised, undefined);
});

Deno.test("RotationChanges keeps how each rotation ended, and whom it left", async () => {
  const house = await House.open();
  const changes = changesOf(house);
  const away = await house.addSeenNode();
  const ids = [await changes.start({}), await changes.start({})];
  const [first, second] = ids;
  assertEquals(house.cluster.lastRotation, {
    id: first ?? "",
    outcome: "replaced",
    root: house.cluster.root.facts?.digest ?? "",
    at: house.clock.now(),
    stragglers: [],
  });
  const { carried, left, stragglers } = await changes.cutOff({ cutAll: true });
  assertEquals([carried, left], [[], [away.id]]);
  const { lastRotation, root } = house.cluster;
  assertEquals(lastRotation?.outcome, "finished");
  assertEquals(lastRotation?.root, root.facts?.digest);
  assertEquals(lastRotation?.stragglers, stragglers);
  assertEquals(stragglers.map(({ node }) => node), [away.id]);
  assertEquals(
    lastRotation?.before?.map(({ id, outcome }) => [id, outcome]),
    [[second, "replaced"], [first, "replaced"]],
  );
});
