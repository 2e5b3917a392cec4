import { assertEquals } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { DAY } from "../../lib/base/time.ts";
import {
  type Certificate,
  readCertificate,
} from "../../lib/pki/certificate.ts";
import { crossSign } from "../../lib/pki/cross_sign.ts";
import type { PrivateKey } from "../../lib/pki/crypto.ts";
import { createRoot } from "../../lib/pki/root.ts";
import { findSuccessor } from "../../lib/worker/succession.ts";
import { House } from "../manager/house.ts";
import { Device, endpointOf, MANAGER } from "./device.ts";
import { Scripted } from "./scripted.ts";

interface Made {
  readonly root: Certificate;
  readonly key: PrivateKey;
}

/** A device before somebody who hands out a way over so many generations. */
async function before(generations: readonly number[]) {
  const house = await House.open();
  const device = new Device(house);
  const { crypto, random, clock, cluster } = house;
  const now = clock.now();
  let issuer: Made = house.authority;
  const links: { readonly root: string; readonly cross: string }[] = [];
  for (const generation of generations) {
    const key = await crypto.generateKey();
    const der = await createRoot(crypto, { random, now, generation, key });
    const root = await readCertificate(crypto, der);
    const cross = await crossSign(crypto, {
      ...{ clusterId: cluster.id, generation, successor: true, random, root },
      ...{ issuer: issuer.root, issuerKey: issuer.key, now, end: now + DAY },
    });
    links.push({ root: toBase64(der), cross: toBase64(cross) });
    issuer = { root, key: key.privateKey };
  }
  const scripted = await Scripted.of(house);
  scripted.answers["ca.succession"] = () => ({ links });
  device.net.servers.set(MANAGER, scripted);
  const find = async (floor: number, generation = 0) => {
    const found = await findSuccessor(device.ports(), {
      endpoint: endpointOf(MANAGER),
      clusterId: cluster.id,
      trusted: [{ root: house.authority.root, generation }],
      floor,
      signal: new AbortController().signal,
    });
    return found?.generation;
  };
  return { find };
}

Deno.test("findSuccessor() minds the floor where the way ends, not on the way", async () => {
  const { find } = await before([2, 3, 5]);
  for (const floor of [0, 1, 3, 4, 5]) assertEquals(await find(floor), 5);
  assertEquals(await find(6), undefined);
  const { find: less } = await before([2]);
  assertEquals([await less(2), await less(3)], [2, undefined]);
});

Deno.test("findSuccessor() goes upwards from what it begins at", async () => {
  const { find } = await before([2, 3]);
  assertEquals([await find(0, 1), await find(0, 2)], [3, undefined]);
  const { find: down } = await before([3, 2]);
  assertEquals(await down(0), undefined);
});

Deno.test("findSuccessor() finds nothing where nothing is said", async () => {
  const { find } = await before([]);
  assertEquals(await find(0), undefined);
});
