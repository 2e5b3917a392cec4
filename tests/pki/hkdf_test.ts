import { assertEquals, assertRejects } from "@std/assert";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { hkdfSha256 } from "../../lib/pki/hkdf.ts";
import { realCrypto } from "./material.ts";

/** RFC 5869, appendix A: the vectors of SHA-256. */
const VECTORS = [
  {
    secret: "0b".repeat(22),
    salt: "000102030405060708090a0b0c",
    info: "f0f1f2f3f4f5f6f7f8f9",
    length: 42,
    wanted:
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  },
  {
    secret: range(0x00, 0x4f),
    salt: range(0x60, 0xaf),
    info: range(0xb0, 0xff),
    length: 82,
    wanted:
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
  },
  {
    secret: "0b".repeat(22),
    salt: "",
    info: "",
    length: 42,
    wanted:
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  },
];

Deno.test("hkdfSha256() gives what RFC 5869 says", async () => {
  for (const { secret, salt, info, length, wanted } of VECTORS) {
    const derived = await hkdfSha256(realCrypto, {
      secret: fromHex(secret),
      salt: fromHex(salt),
      info: fromHex(info),
      length,
    });
    assertEquals(toHex(derived), wanted);
  }
});

Deno.test("hkdfSha256() refuses a length that the counter cannot say", async () => {
  const none = new Uint8Array();
  for (const length of [0, -1, 255 * 32 + 1, NaN]) {
    const request = { secret: none, salt: none, info: none, length };
    await assertRejects(() => hkdfSha256(realCrypto, request), RangeError);
  }
});

function range(from: number, to: number): string {
  const length = to - from + 1;
  return toHex(Uint8Array.from({ length }, (_, i) => from + i));
}
