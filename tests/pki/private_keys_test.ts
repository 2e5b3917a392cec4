import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import fc from "fast-check";
import { concat, toHex, utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { signingAlgorithm } from "../../lib/pki/algorithms.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import { carriedSpki } from "../../lib/pki/pkcs8.ts";
import { realCrypto } from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

const DATA = utf8("what is signed");

Deno.test("importPkcs8() takes its own keys and OpenSSL's, with and without the public half", async () => {
  await using folder = await OpensslFolder.create();
  await folder.run(
    "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem",
  );
  await folder.run("pkey -in key.pem -pubout -out public.pem");
  await folder.run("ec -in key.pem -no_public -out bare.sec1");
  await folder.run("pkcs8 -topk8 -nocrypt -in bare.sec1 -out bare.pem");
  const [spki] = decodePem(await folder.read("public.pem"), "PUBLIC KEY");
  for (const file of ["key.pem", "bare.pem"]) {
    const [pkcs8 = new Uint8Array()] = decodePem(
      await folder.read(file),
      "PRIVATE KEY",
    );
    const key = await realCrypto.importPkcs8(pkcs8);
    assertEquals(key.spki, spki, file);
    const signature = await realCrypto.sign(key.privateKey, DATA);
    assert(
      await realCrypto.verify({
        spki: key.spki,
        algorithm: "ecdsa-sha256",
        data: DATA,
        signature,
      }),
    );
  }
  const own = await realCrypto.generateKey();
  const again = await realCrypto.importPkcs8(
    await realCrypto.exportPkcs8(own.privateKey),
  );
  assertEquals(again.spki, own.spki);
});

Deno.test("importPkcs8() refuses a key file that names the public half of another key", async () => {
  const [pkcs8, other] = await Promise.all([0, 1].map(async () => {
    const { privateKey } = await realCrypto.generateKey();
    return await realCrypto.exportPkcs8(privateKey);
  }));
  assert(pkcs8 && other);
  // RFC 5915 §3: the point, 65 bytes, is the last of it.
  const mixed = concat(pkcs8.subarray(0, -65), other.subarray(-65));
  assertEquals(carriedSpki(mixed), carriedSpki(other));
  await assertDamaged(mixed);
});

Deno.test("importPkcs8() refuses other keys, and any damage, as damaged state", async () => {
  await using folder = await OpensslFolder.create();
  for (
    const options of ["EC -pkeyopt ec_paramgen_curve:P-384", "ED25519", "RSA"]
  ) {
    await folder.run(`genpkey -algorithm ${options} -out key.pem`);
    const [pkcs8 = new Uint8Array()] = decodePem(
      await folder.read("key.pem"),
      "PRIVATE KEY",
    );
    await assertDamaged(pkcs8);
  }
  const good = await realCrypto.exportPkcs8(
    (await realCrypto.generateKey()).privateKey,
  );
  await fc.assert(
    fc.asyncProperty(
      fc.nat(good.length - 1),
      fc.integer({ min: 1, max: 255 }),
      async (at, by) => {
        const bytes = good.slice();
        bytes[at] = (bytes[at] ?? 0) ^ by;
        await assertDamaged(bytes);
        await assertDamaged(good.slice(0, at));
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("importPkcs8() takes keys of other types where they are wanted, but no weak ones", async () => {
  await using folder = await OpensslFolder.create();
  const cases = [
    ["RSA -pkeyopt rsa_keygen_bits:2048", "rsa"],
    ["EC -pkeyopt ec_paramgen_curve:P-384", "p384"],
    ["ED25519", "ed25519"],
  ] as const;
  for (const [options, type] of cases) {
    await folder.run(`genpkey -algorithm ${options} -out key.pem`);
    await folder.run("pkey -in key.pem -pubout -out public.pem");
    const [pkcs8 = new Uint8Array()] = decodePem(
      await folder.read("key.pem"),
      "PRIVATE KEY",
    );
    const key = await realCrypto.importPkcs8(pkcs8, ["p256", type]);
    const [spki = new Uint8Array()] = decodePem(
      await folder.read("public.pem"),
      "PUBLIC KEY",
    );
    assertEquals(key.spki, spki);
    const signature = await realCrypto.sign(key.privateKey, DATA);
    const algorithm = signingAlgorithm(type);
    assert(
      await realCrypto.verify({ spki, algorithm, data: DATA, signature }),
    );
    await assertRejects(
      () => realCrypto.importPkcs8(pkcs8, ["p256"]),
      SwarmdError,
      "of type p256",
    );
  }
  await folder.run(
    "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out key.pem",
  );
  const [weak = new Uint8Array()] = decodePem(
    await folder.read("key.pem"),
    "PRIVATE KEY",
  );
  await assertRejects(
    () => realCrypto.importPkcs8(weak, ["rsa"]),
    SwarmdError,
  );
});

async function assertDamaged(pkcs8: Uint8Array<ArrayBuffer>): Promise<void> {
  const error = await assertRejects(
    () => realCrypto.importPkcs8(pkcs8),
    SwarmdError,
  );
  assertEquals(error.code, "damaged-state");
  const secret = toHex(pkcs8.subarray(36, 68));
  if (secret === "") return;
  assertFalse(JSON.stringify([error.message, error.data]).includes(secret));
}
