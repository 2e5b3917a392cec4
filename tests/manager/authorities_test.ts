import { assert, assertEquals, assertRejects } from "@std/assert";
import { equalBytes } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { Authorities } from "../../lib/manager/authorities.ts";
import { rootKeyName } from "../../lib/manager/authority_source.ts";
import { makeCluster } from "../../lib/manager/bootstrap.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { sealValue } from "../../lib/pki/sealed.ts";
import { StoreDisk } from "../fakes/store_disk.ts";
import { House } from "./house.ts";

Deno.test("Authorities.open() opens the key of the root that the tokens pin", async () => {
  const { authority, cluster, crypto } = await House.open();
  assertEquals(cluster.root.generation, 1);
  const pkcs8 = await crypto.exportPkcs8(authority.key);
  const { spki } = await crypto.importPkcs8(pkcs8);
  assertEquals(equalBytes(spki, authority.root.spki), true);
});

Deno.test("Authorities.open() refuses a key that is not the root's, or not to be opened", async () => {
  const house = await House.open();
  const other = await house.crypto.generateKey();
  const pkcs8 = await house.crypto.exportPkcs8(other.privateKey);
  const sealed = (name: string) =>
    sealValue(house.crypto, {
      key: { version: 1, key: house.clusterKey },
      name,
      data: pkcs8,
    });
  const { root } = house.cluster;
  const { key: good } = root;
  assert(good);
  const keys = [
    await sealed(rootKeyName(1)),
    await sealed(rootKeyName(2)),
    { ...good, version: 2 },
    { ...good, data: good.data.slice(4) },
  ];
  for (const key of keys) {
    await house.store.update((tx) => {
      tx.put("cluster", CLUSTER, { ...house.cluster, root: { ...root, key } });
    });
    const { keyRing } = house;
    const error = await assertRejects(
      () =>
        Authorities.open({
          ...house,
          keyRing,
          makeSigner: (authority) => house.signs(authority),
        }),
      SwarmdError,
    );
    assertEquals([error.code, error.verdict], ["damaged-state", "stop"]);
  }
});

Deno.test("makeCluster() makes a whole cluster, or none", async () => {
  const house = await House.open();
  const disk = new StoreDisk();
  const store = disk.open();
  const plan = {
    crypto: house.crypto,
    random: house.random,
    now: house.clock.now(),
    clusterKey: house.clusterKey,
    leafLifeMs: 1,
    drill: true,
  };
  disk.full = true;
  await assertRejects(() => makeCluster(store, plan), SwarmdError);
  assertEquals(store.view((view) => view.count("node")), 0);
  assertEquals(store.view((view) => view.get("cluster", CLUSTER)), undefined);
  disk.full = false;
  const { id } = await makeCluster(store, plan);
  const [manager] = store.view((view) => [...view.list("node")]);
  assertEquals([manager?.role, manager?.certificates], ["manager", {}]);
  await assertRejects(() => makeCluster(store, plan), TypeError);
  assertEquals(store.view((view) => view.get("cluster", CLUSTER))?.id, id);
});
