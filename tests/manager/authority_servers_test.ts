import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { Authorities } from "../../lib/manager/authorities.ts";
import {
  type AuthoritySource,
  type ExternalAuthority,
  makeRoot,
  openExternal,
} from "../../lib/manager/authority_source.ts";
import { RehearsalDesk } from "../../lib/manager/rehearsal.ts";
import { RotationChanges } from "../../lib/manager/rotation_changes.ts";
import { localSigner } from "../../lib/signer/local.ts";
import { foreignRoot } from "./foreign_root.ts";
import { House } from "./house.ts";

/** What an operator hands over; what it is, the test decides. */
const WISH = { authority: { external: [] } };

function server(name: string): ExternalAuthority {
  const authKey = utf8(`the secret of ${name}`);
  return { url: `https://${name}/api`, authKey, credentials: { rootsPem: "" } };
}

/** A house whose authority is elsewhere, and who signed there. */
async function moved(first: readonly ExternalAuthority[]) {
  const house = await House.open();
  const { anchor } = await foreignRoot(house, "Corporate");
  const offered = (servers: readonly ExternalAuthority[]): AuthoritySource => ({
    anchor,
    intermediates: [],
    signs: { external: servers },
  });
  const { record: root } = await makeRoot({
    crypto: house.crypto,
    random: house.random,
    now: house.clock.now(),
    sealing: { version: 1, key: house.clusterKey },
    generation: 1,
    source: offered(first),
  });
  await house.store.update((tx) =>
    tx.put("cluster", CLUSTER, { ...house.cluster, root })
  );
  const asked: string[] = [];
  const authorities = await Authorities.open({
    ...house,
    keyRing: house.keyRing,
    makeSigner: (authority) => house.signs(authority),
    makeExternalSigner: ({ authorities }) => ({
      ...localSigner(house.crypto, house.authority),
      choosesMoments: true,
      issue: () => {
        asked.push(authorities.map(({ url }) => url).join());
        return Promise.resolve(new Uint8Array());
      },
      check: () => Promise.resolve([]),
      health: () => authorities.map(({ url }) => ({ url })),
    }),
  });
  let source = offered(first);
  const parts = {
    ...house,
    authorities,
    keyRing: house.keyRing,
    nodeId: house.manager.id,
    sessions: house.desk.sessions,
    followSelf: () => Promise.resolve(),
    readAuthority: () => Promise.resolve(source),
  };
  return {
    ...{ house, authorities, asked, parts },
    offer: (next: AuthoritySource) => source = next,
    offered,
  };
}

Deno.test("RotationChanges.start() changes the servers of the present authority, and rotates nothing", async () => {
  const { house, authorities, parts, ...rig } = await moved([server("a")]);
  rig.offer(rig.offered([server("b"), server("c")]));
  const before = house.cluster;
  const rehearsed = await new RehearsalDesk(parts).run(WISH);
  assertEquals([rehearsed.onlyServers, rehearsed.obstacle], [true, undefined]);
  assertEquals(house.cluster, before);
  const urls = () => authorities.external.health().map(({ url }) => url);
  assertEquals(urls(), ["https://a/api"]);

  assertEquals(await new RotationChanges(parts).start(WISH), undefined);
  assertEquals(urls(), ["https://b/api", "https://c/api"]);
  const { root, ...others } = house.cluster;
  const { root: old, ...same } = before;
  assertEquals(others, same);
  assertEquals({ ...root, external: [] }, { ...old, external: [] });
  const opened = await openExternal(house.crypto, root, house.keyRing);
  assertEquals(opened, [server("b"), server("c")]);
  assert(!JSON.stringify(root).includes("the secret of"));
  const signer = authorities.signerFor({ role: "worker", now: 0 });
  await signer.issue({} as never, new Uint8Array());
  assertEquals(rig.asked, ["https://b/api,https://c/api"]);
  const audited = await house.audited();
  assertEquals(audited.filter((action) => action === "rotation").length, 1);
});

Deno.test("RotationChanges.start() takes no other authority for the present one", async () => {
  const { house, parts, offer } = await moved([server("a")]);
  const { anchor } = await foreignRoot(house, "Corporate");
  const signs = { external: [server("b")] };
  offer({ anchor, intermediates: [], signs });
  const before = house.cluster;
  const changes = new RotationChanges(parts);
  const { code } = await assertRejects(
    () => changes.start(WISH),
    SwarmdError,
  );
  // Its key is elsewhere: it vouches for no other
  assertEquals(code, "not-supported");
  assertEquals(house.cluster, before);
});

Deno.test("RotationChanges.cutOff() of an authority elsewhere carries nobody over, and never hints at trusting it longer", async () => {
  const { house, parts } = await moved([server("a")]);
  const changes = new RotationChanges(parts);
  const before = house.cluster;
  const { code, hint = "" } = await assertRejects(
    () => changes.cutOff({ cutAll: false }),
    SwarmdError,
  );
  assertEquals([code, house.cluster], ["not-supported", before]);
  assertStringIncludes(hint, "--compromised --cut-all");
  await changes.cutOff({ cutAll: true });
  assertEquals(house.cluster.root.generation, 2);
});
