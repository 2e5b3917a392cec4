import "reflect-metadata";
import { assert, assertEquals, assertRejects } from "@std/assert";
import * as x509 from "@peculiar/x509";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import { deny } from "../../lib/cluster/denylist.ts";
import { DenylistIndex } from "../../lib/cluster/denylist_index.ts";
import {
  type CrlIssuer,
  type RevocationList,
  RevocationLists,
} from "../../lib/manager/revocation_lists.ts";
import { turn } from "../fakes/clock.ts";
import { House, NOW } from "./house.ts";

/** The revocation lists of a house. */
class Publisher implements Disposable {
  readonly house: House;
  readonly keyId: string;
  readonly lists: RevocationLists;
  readonly #denylist: DenylistIndex;
  issuers: CrlIssuer[];
  /** How often the key was used. */
  signed = 0;

  constructor(house: House) {
    this.house = house;
    const { root, key } = house.authority;
    this.keyId = root.subjectKeyId ?? "";
    this.#denylist = new DenylistIndex(house.store);
    this.issuers = [{
      certificate: root,
      key: {
        algorithm: "ecdsa-sha256",
        sign: (tbs) => {
          this.signed++;
          return house.crypto.sign(key, tbs);
        },
      },
    }];
    this.lists = new RevocationLists({
      ...house,
      denylist: this.#denylist,
      issuers: () => this.issuers,
    });
  }

  /** Asks, and lets what it waits for happen. */
  async get(issuerKeyId?: string): Promise<RevocationList> {
    const asked = this.lists.get(issuerKeyId);
    asked.catch(() => {}); // awaited below
    for (let i = 0; i < 4; i++) await this.house.clock.advance(0);
    return await asked;
  }

  async deny(serial: string, issuerKeyId = this.keyId): Promise<void> {
    const { house } = this;
    const [nodeId, deniedAt] = [house.manager.id, house.clock.now()];
    const entry = { nodeId, reason: "removed" as const, deniedAt };
    await house.store.update((tx) =>
      deny(tx, { ...entry, issuerKeyId, serial, notAfter: NOW + 90 * DAY })
    );
  }

  [Symbol.dispose](): void {
    this.#denylist.close();
  }
}

function serialsIn({ der }: RevocationList): string[] {
  return new x509.X509Crl(der).entries
    .map(({ serialNumber }) => BigInt(`0x${serialNumber}`).toString(16));
}

Deno.test("get() lists what is denied of an issuer, and nothing else", async () => {
  using publisher = new Publisher(await House.open());
  await publisher.deny("40aa");
  await publisher.deny("80");
  await publisher.deny("01", "ff".repeat(20));
  const list = await publisher.get();
  const read = new x509.X509Crl(list.der);
  assertEquals(serialsIn(list), ["40aa", "80"]);
  assertEquals(read.entries[0]?.revocationDate.getTime(), NOW);
  assertEquals(
    read.entries[0]?.reason,
    x509.X509CrlReason.cessationOfOperation,
  );
  assertEquals([list.thisUpdate, list.nextUpdate], [NOW - HOUR, NOW + DAY]);
  assertEquals(read.thisUpdate.getTime(), list.thisUpdate);
  assertEquals(read.nextUpdate?.getTime(), list.nextUpdate);
  assertEquals(list.number, NOW / SECOND);
});

Deno.test("get() gives the same list until something is denied, and then at most one in 5 s", async () => {
  using publisher = new Publisher(await House.open());
  const { clock } = publisher.house;
  const first = await publisher.get();
  assertEquals(await publisher.get(publisher.keyId), first);
  await publisher.deny("40aa");
  await clock.advance(5 * SECOND - 1);
  assertEquals(await publisher.get(), first);
  await clock.advance(1);
  const second = await publisher.get();
  assertEquals(serialsIn(second), ["40aa"]);
  assert(second.number > first.number);
  assert(second.etag !== first.etag);
  await clock.advance(HOUR);
  assertEquals(await publisher.get(), second);
  assertEquals(publisher.signed, 2);
});

Deno.test("get() makes a new list at half of its life, and when the clock went back behind it", async () => {
  using publisher = new Publisher(await House.open());
  const { clock } = publisher.house;
  const first = await publisher.get();
  await clock.advance(12 * HOUR - 1);
  assertEquals(await publisher.get(), first);
  await clock.advance(1);
  const second = await publisher.get();
  assertEquals(second.nextUpdate, first.nextUpdate + 12 * HOUR);
  clock.stepWall(-2 * DAY);
  const third = await publisher.get();
  assertEquals(third.nextUpdate, second.nextUpdate - 2 * DAY);
  assertEquals(third.number, second.number + 1);
});

Deno.test("get() numbers lists upwards over a restart with the clock set back", async () => {
  using publisher = new Publisher(await House.open());
  const { house } = publisher;
  const first = await publisher.get();
  house.clock.stepWall(-90 * DAY);
  using restarted = new Publisher(house);
  assertEquals((await restarted.get()).number, first.number + 1);
});

Deno.test("get() makes one list for all who ask at once", async () => {
  using publisher = new Publisher(await House.open());
  const asked = Array.from({ length: 20 }, () => publisher.lists.get());
  await turn();
  await publisher.house.clock.advance(0);
  const lists = await Promise.all(asked);
  assertEquals(new Set(lists).size, 1);
  assertEquals(publisher.signed, 1);
});

Deno.test("get() includes later what is denied while a list is made", async () => {
  using publisher = new Publisher(await House.open());
  const { clock } = publisher.house;
  const asked = publisher.lists.get();
  await turn();
  await publisher.deny("40aa");
  await clock.advance(0);
  assertEquals(serialsIn(await asked), []);
  await clock.advance(5 * SECOND);
  assertEquals(serialsIn(await publisher.get()), ["40aa"]);
});

Deno.test("get() says what it cannot give", async () => {
  using publisher = new Publisher(await House.open());
  const refused = async (keyId?: string) =>
    (await assertRejects(() => publisher.get(keyId), SwarmdError)).code;
  assertEquals(await refused("ff"), "not-found");
  const [own] = publisher.issuers;
  assert(own);
  const { certificate } = own;
  publisher.issuers = [{ certificate }];
  assertEquals(await refused(), "not-supported");
  assertEquals(await refused(publisher.keyId), "not-supported");
  publisher.issuers = [];
  assertEquals(await refused(), "not-found");
  assertEquals(publisher.signed, 0);
});

Deno.test("get() stays with a list in date while the disk is full", async () => {
  using publisher = new Publisher(await House.open());
  const { clock, disk, logged } = publisher.house;
  disk.full = true;
  const error = await assertRejects(() => publisher.get(), SwarmdError);
  assertEquals(error.code, "disk");
  disk.full = false;
  const first = await publisher.get();
  await publisher.deny("40aa");
  disk.full = true;
  await clock.advance(10 * SECOND);
  assertEquals((await publisher.get()).number, first.number);
  assertEquals(logged.filter(({ level }) => level === "warn").length, 1);
  await publisher.get();
  assertEquals(logged.filter(({ level }) => level === "warn").length, 1);
  disk.full = false;
  await clock.advance(5 * SECOND);
  assertEquals(serialsIn(await publisher.get()), ["40aa"]);
  await publisher.deny("40ab");
  disk.full = true;
  await clock.advance(DAY);
  await assertRejects(() => publisher.get(), SwarmdError);
});
