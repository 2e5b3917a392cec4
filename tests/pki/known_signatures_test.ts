import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import type { Crypto, VerifyRequest } from "../../lib/pki/crypto.ts";
import {
  type KnownOptions,
  withKnownSignatures,
} from "../../lib/pki/known_signatures.ts";
import { webCrypto } from "../../lib/pki/web_crypto.ts";

const plain = webCrypto(crypto.subtle, {
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
});
const DATA: Bytes = new TextEncoder().encode("what is signed");

/** Remembering cryptography, and how often it had to check. */
function counted(
  options: KnownOptions,
): { crypto: Crypto; checks: () => number } {
  let checks = 0;
  const counting: Crypto = {
    ...bound(plain),
    verify: (request) => (checks++, plain.verify(request)),
  };
  return {
    crypto: withKnownSignatures(counting, options),
    checks: () => checks,
  };
}

function bound(crypto: Crypto): Crypto {
  return {
    generateKey: () => crypto.generateKey(),
    importPkcs8: (...asked) => crypto.importPkcs8(...asked),
    exportPkcs8: (key) => crypto.exportPkcs8(key),
    sign: (...asked) => crypto.sign(...asked),
    verify: (request) => crypto.verify(request),
    sha256: (data) => crypto.sha256(data),
    hmacSha256: (...asked) => crypto.hmacSha256(...asked),
    seal: (request) => crypto.seal(request),
    open: (request) => crypto.open(request),
  };
}

/** Signed by a key that the cryptography under test has never had. */
async function foreign(data: Bytes = DATA): Promise<VerifyRequest> {
  const { privateKey, spki } = await plain.generateKey();
  const signature = await plain.sign(privateKey, data);
  return { spki, algorithm: "ecdsa-sha256", data, signature };
}

/** The same bytes with the last one changed. */
function changed(bytes: Bytes): Bytes {
  const other = bytes.slice();
  other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
  return other;
}

for (const by of ["hash", "bytes"] as const) {
  Deno.test(`withKnownSignatures() by ${by} checks a signature that holds once`, async () => {
    const { crypto, checks } = counted({ max: 64, by });
    const request = await foreign();
    for (let i = 0; i < 3; i++) assert(await crypto.verify(request));
    assertEquals(checks(), 1);
  });

  Deno.test(`withKnownSignatures() by ${by} need not check what it signed itself`, async () => {
    const { crypto, checks } = counted({ max: 64, by });
    const made = await crypto.generateKey();
    const pkcs8 = await crypto.exportPkcs8(made.privateKey);
    for (const pair of [made, await crypto.importPkcs8(pkcs8)]) {
      const signature = await crypto.sign(pair.privateKey, DATA);
      const { spki } = pair;
      const request = { spki, data: DATA, signature } as const;
      assert(await crypto.verify({ ...request, algorithm: "ecdsa-sha256" }));
    }
    assertEquals(checks(), 0);
  });

  Deno.test(`withKnownSignatures() by ${by} checks anew when any part is another one`, async () => {
    const { crypto, checks } = counted({ max: 64, by });
    const known = await foreign();
    assert(await crypto.verify(known));
    const other = await foreign();
    const moved = new Uint8Array([...known.data, known.signature[0] ?? 0]);
    const forged: readonly VerifyRequest[] = [
      { ...known, spki: other.spki },
      { ...known, algorithm: "ecdsa-sha384" },
      { ...known, data: changed(known.data) },
      { ...known, signature: changed(known.signature) },
      { ...known, data: moved, signature: known.signature.slice(1) },
    ];
    for (const request of forged) {
      assertEquals(await crypto.verify(request), false);
    }
    assertEquals(checks(), 1 + forged.length);
  });

  Deno.test(`withKnownSignatures() by ${by} remembers no signature that does not hold`, async () => {
    const { crypto, checks } = counted({ max: 64, by });
    const request = await foreign();
    const forged = { ...request, data: changed(request.data) };
    for (let i = 0; i < 2; i++) {
      assertEquals(await crypto.verify(forged), false);
    }
    assertEquals(checks(), 2);
  });

  Deno.test(`withKnownSignatures() by ${by} forgets the oldest when there are too many`, async () => {
    const { crypto, checks } = counted({ max: 2, by });
    const [first, second, third] = [
      await foreign(),
      await foreign(),
      await foreign(),
    ];
    for (const each of [first, second, third]) await crypto.verify(each);
    assert(await crypto.verify(third));
    assert(await crypto.verify(second));
    assertEquals(checks(), 3);
    assert(await crypto.verify(first));
    assertEquals(checks(), 4);
  });
}

Deno.test("withKnownSignatures() remembers what is large by its hash", async () => {
  const { crypto, checks } = counted({ max: 2, by: "bytes" });
  const large = await foreign(new Uint8Array(100_000));
  for (let i = 0; i < 2; i++) assert(await crypto.verify(large));
  assertEquals(checks(), 1);
  const other = { ...large, data: changed(large.data) };
  assertEquals(await crypto.verify(other), false);
});
