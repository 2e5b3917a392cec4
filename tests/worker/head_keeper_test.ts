import { assert, assertEquals } from "@std/assert";
import { fromBase64, toBase64 } from "../../lib/base/bytes.ts";
import { MINUTE } from "../../lib/base/time.ts";
import {
  type HeadSigner,
  type SignedHead,
  signHead,
} from "../../lib/cluster/audit_head.ts";
import { HeadKeeper } from "../../lib/worker/head_keeper.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import type { LeafProfile } from "../../lib/pki/profile.ts";
import { forgeLeaf, type Forger } from "../fakes/forge.ts";
import { House } from "../manager/house.ts";
import { Device } from "./device.ts";
import { profileIn } from "./scripted.ts";

Deno.test("HeadKeeper keeps the newest head, and tells what is on disk", async () => {
  const { head, see, keeper, disk, told } = await rig();
  await see(await head(3));
  assertEquals([disk.writes, told], [1, [3]]);
  await see(await head(3));
  assertEquals(disk.writes, 1);
  assertEquals(keeper.newest?.sequence, 3);
  assertEquals(keeper.alarm, undefined);
});

Deno.test("HeadKeeper writes at most every 10 minutes, however often the head changes", async () => {
  const { head, see, keeper, disk, told, clock } = await rig();
  for (let i = 1; i <= 50; i++) await see(await head(i));
  assertEquals([disk.writes, told], [1, [1]]);
  assertEquals(keeper.newest?.sequence, 50);
  await clock.advance(10 * MINUTE);
  await see(await head(51));
  assertEquals([disk.writes, told], [2, [1, 51]]);
});

const WRONG = [
  ["ends earlier", { sequence: 4 }, "ends at 4, and had signed it up to 5"],
  ["says something else", { hash: "cd".repeat(32) }, "twice"],
] as const;

for (const [what, wrong, alarm] of WRONG) {
  Deno.test(`HeadKeeper raises the alarm and keeps what it has when the log ${what}`, async () => {
    const { head, see, keeper, disk, errors, clock } = await rig();
    const kept = await head(5);
    await see(kept);
    for (let i = 0; i < 10; i++) await see(await head(5, wrong));
    assertEquals(keeper.newest, kept);
    assert(keeper.alarm?.includes(alarm), keeper.alarm);
    assertEquals([errors().length, disk.writes], [1, 1]);
    await clock.advance(10 * MINUTE);
    await see(await head(5, wrong));
    assertEquals(errors().length, 2);
    // Goes on from a log that has grown past it, and does not forget.
    await see(await head(6));
    assertEquals(keeper.newest?.sequence, 6);
    assert(keeper.alarm);
  });
}

Deno.test("HeadKeeper keeps one head for each manager, of eight at the most", async () => {
  const { head, see, keeper, disk, house, clock } = await rig();
  const managers = Array.from({ length: 10 }, () => house.newId());
  for (const [i, manager] of managers.entries()) {
    await see(await head(10 - i, { manager }));
    await clock.advance(10 * MINUTE);
  }
  assertEquals(keeper.alarm, undefined);
  assertEquals(disk.heads.map(({ manager }) => manager), managers.slice(2));
});

Deno.test("HeadKeeper keeps no head that the manager did not sign, and tells it once", async () => {
  const made = await rig();
  const { head, keeper, see, errors, house, disk } = made;
  const kept = await head(5);
  await see(kept);
  const other = await House.open({ label: "other" });
  const elsewhere = { clusterId: other.cluster.id };
  const forged: SignedHead[] = [
    { ...await head(6), sequence: 7 },
    { ...await head(7), hash: "cd".repeat(32) },
    { ...await head(7), at: 1 },
    { ...await head(7), signature: "AAAA" },
    { ...await head(7), certificate: "AAAA" },
    { ...await head(4), sequence: 3 },
    // Signed by somebody of this cluster, but not by this manager.
    { ...await head(7, { manager: house.newId() }), manager: kept.manager },
    await head(7, { role: "worker" }),
    // Of another cluster, whoever vouches for it.
    await head(7, elsewhere),
    await head(7, { ...elsewhere, forger: other.authority }),
  ];
  for (const each of forged) {
    await see(each);
    assertEquals(disk.heads, [kept]);
  }
  assertEquals(errors().length, 1);
  assert(keeper.alarm?.includes("signature"), keeper.alarm);
  // It stops nothing.
  await see(await head(6));
  assertEquals(keeper.newest?.sequence, 6);
});

Deno.test("HeadKeeper keeps a head of an authority that it does not trust only with the certificate that was presented", async () => {
  const { head, see, keeper, errors, disk } = await rig();
  const kept = await head(5);
  await see(kept);
  const { authority } = await House.open({ label: "another root" });
  // As in a rotation, while this node does not trust the next root yet.
  const under = await head(6, { forger: authority });
  const less = await head(4, { forger: authority });
  for (const each of [under, less, under]) await see(each);
  assertEquals([disk.heads, errors(), keeper.alarm], [[kept], [], undefined]);
  await see(under, under.certificate);
  assertEquals(keeper.newest, under);
});

Deno.test("HeadKeeper judges one head at a time, and skips to the newest", async () => {
  const { head, see, keeper, judged } = await rig();
  const heads = await Promise.all([1, 2, 3, 4, 5].map((i) => head(i)));
  await Promise.all(heads.map((each) => see(each)));
  assertEquals(keeper.newest?.sequence, 5);
  assertEquals(judged(), [1, 5]);
});

/** In what a head, or the certificate under it, is another one. */
interface Change extends Partial<Pick<LeafProfile, "clusterId" | "role">> {
  readonly sequence?: number;
  readonly hash?: string;
  readonly manager?: string;
  readonly forger?: Forger;
}

async function rig() {
  const house = await House.open();
  const device = new Device(house);
  const held = await device.join();
  const { clock, crypto } = house;
  const told: number[] = [];
  const kept: number[] = [];
  const disk = { heads: [] as readonly SignedHead[], writes: 0 };
  const keeper = new HeadKeeper({
    clock,
    crypto,
    logger: device.logger,
    held: () => held,
    kept: () => disk.heads,
    keep: (heads, durably) => {
      disk.heads = heads;
      kept.push(heads.at(-1)?.sequence ?? 0);
      if (durably) disk.writes++;
      return Promise.resolve();
    },
    told: ({ sequence }) => told.push(sequence),
  });
  const signers = new Map<string, Promise<HeadSigner>>();
  const head = async (sequence: number, change: Change = {}) => {
    const { manager = house.manager.id, hash = "ab".repeat(32) } = change;
    const { forger, clusterId, role } = change;
    const root = forger?.root.fingerprint;
    const kind = JSON.stringify([manager, clusterId, role, root]);
    const making = signers.get(kind) ?? madeSigner(house, manager, change);
    signers.set(kind, making);
    const signer = await making;
    const at = clock.now();
    const point = { sequence: change.sequence ?? sequence, hash, at };
    return await signHead(crypto, point, signer);
  };
  const { der } = house.serving.certificate;
  const see = async (seen: SignedHead, presented = toBase64(der)) =>
    await keeper.seen(
      seen,
      await readCertificate(crypto, fromBase64(presented)),
    );
  const errors = () => device.logged.filter(({ level }) => level === "error");
  const judged = () => kept;
  return { house, clock, head, see, keeper, disk, told, errors, judged };
}

async function madeSigner(
  house: House,
  manager: string,
  { forger = house.authority, sequence: _, hash: __, ...change }: Change,
): Promise<HeadSigner> {
  const { crypto } = house;
  const { privateKey: key, spki } = await crypto.generateKey();
  const profile = profileIn(house, { ...change, nodeId: manager, spki });
  const der = await forgeLeaf(crypto, { forger, profile });
  return { manager, key, certificate: await readCertificate(crypto, der) };
}
