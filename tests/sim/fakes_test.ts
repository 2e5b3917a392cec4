import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { toHex, utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { createCsr, readCsr } from "../../lib/pki/csr.ts";
import { hmacSha256, sha256 } from "../fakes/sha256.ts";
import { SimCrypto, spkiOf } from "../fakes/sim_crypto.ts";
import { StreamRandom } from "../fakes/stream_random.ts";

Deno.test("sha256() and hmacSha256() agree with WebCrypto at every block boundary", async () => {
  const random = new StreamRandom("hashes");
  for (let length = 0; length < 200; length++) {
    const data = random.bytes(length);
    const digest = await crypto.subtle.digest("SHA-256", data);
    assertEquals(toHex(sha256(data)), toHex(new Uint8Array(digest)));
  }
  for (const length of [1, 32, 64, 65, 200]) {
    const [key, data] = [random.bytes(length), random.bytes(length)];
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const imported = await crypto.subtle
      .importKey("raw", key, algorithm, false, ["sign"]);
    const wanted = await crypto.subtle.sign("HMAC", imported, data);
    assertEquals(hmacSha256(key, data), new Uint8Array(wanted));
  }
});

Deno.test("SimCrypto makes the same keys from the same seed, and others from another", async () => {
  const keyOf = async (label: string) => {
    const fake = new SimCrypto(new StreamRandom(label));
    const { privateKey, spki } = await fake.generateKey();
    return { pkcs8: await fake.exportPkcs8(privateKey), spki };
  };
  const first = await keyOf("one");
  assertEquals(await keyOf("one"), first);
  assertEquals(spkiOf(first.pkcs8), first.spki);
  assertNotEquals(await keyOf("two"), first);
});

Deno.test("SimCrypto signs so that only the same key and data verify", async () => {
  const fake = new SimCrypto(new StreamRandom("signing"));
  const [key, other] = [await fake.generateKey(), await fake.generateKey()];
  const [data, changed] = [utf8("data"), utf8("Data")];
  const signature = await fake.sign(key.privateKey, data);
  const algorithm = "ecdsa-sha256";
  const verify = (spki = key.spki, what = data) =>
    fake.verify({ spki, algorithm, data: what, signature });
  assert(await verify());
  assert(!await verify(other.spki));
  assert(!await verify(key.spki, changed));
  const csr = await createCsr(fake, key);
  assertEquals((await readCsr(fake, csr)).spki, key.spki);
});

Deno.test("SimCrypto opens what it sealed, with the same key and name only", async () => {
  const fake = new SimCrypto(new StreamRandom("sealing"));
  const key = new Uint8Array(32).fill(1);
  const data = utf8("a secret of more than thirty-two bytes, to be sure");
  const sealed = await fake.seal({ key, name: "a", data });
  assertEquals(await fake.open({ key, name: "a", data: sealed }), data);
  assert(!toHex(sealed).includes(toHex(data.subarray(0, 8))));
  for (const wrong of [{ name: "b" }, { key: new Uint8Array(32) }]) {
    const request = { key, name: "a", data: sealed, ...wrong };
    await assertRejects(() => fake.open(request), SwarmdError);
  }
});

Deno.test("StreamRandom has a stream of its own per label, evenly spread", () => {
  const first = Array.from(
    { length: 4 },
    () => new StreamRandom("a").uniform(),
  );
  assertEquals(new Set(first).size, 1);
  const random = new StreamRandom("b");
  assertNotEquals(random.uniform(), first[0]);
  let sum = 0;
  for (let i = 0; i < 10_000; i++) sum += random.uniform();
  assert(Math.abs(sum / 10_000 - 0.5) < 0.02, `mean ${sum / 10_000}`);
});
