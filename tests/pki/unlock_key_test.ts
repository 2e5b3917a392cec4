import { assert, assertEquals, assertRejects } from "@std/assert";
import * as fc from "fast-check";
import { toHex } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  formatUnlockKey,
  parseUnlockKey,
  unlockingKey,
} from "../../lib/pki/unlock_key.ts";
import { realCrypto } from "./material.ts";

const KEY = { version: 3, secret: new Uint8Array(32).fill(7) };

Deno.test("parseUnlockKey() reads what formatUnlockKey() writes", async () => {
  const keys = fc.record({
    version: fc.integer({ min: 1, max: 999_999_999 }),
    secret: fc.uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => new Uint8Array(bytes)),
  });
  await fc.assert(fc.asyncProperty(keys, async (key) => {
    const text = await formatUnlockKey(realCrypto, key);
    assert(/^SWMKEY-1-\d+-[0-9a-z]{50}-[0-9a-z]{7}$/.test(text), text);
    assertEquals(await parseUnlockKey(realCrypto, ` ${text}\n`), key);
  }));
});

Deno.test("parseUnlockKey() tells a slip of the hand in any place", async () => {
  const text = await formatUnlockKey(realCrypto, KEY);
  for (let i = 0; i < text.length; i++) {
    const other = text[i] === "1" ? "2" : "1";
    const typo = text.slice(0, i) + other + text.slice(i + 1);
    const cut = text.slice(0, i) + text.slice(i + 1);
    for (const wrong of [typo, cut]) {
      const error = await assertRejects(
        () => parseUnlockKey(realCrypto, wrong),
        SwarmdError,
      );
      assertEquals(error.code, "unlock-refused");
      assertEquals(error.data["reason"], "malformed");
    }
  }
});

Deno.test("parseUnlockKey() says what is wrong, and never quotes the key", async () => {
  const text = await formatUnlockKey(realCrypto, KEY);
  const [, , , secret = "", check = ""] = text.split("-");
  const cases = [
    ["", "it is empty"],
    ["x".repeat(600), "it is far too long"],
    [text.replace("KEY", "TKN"), 'it does not begin with "SWMKEY-"'],
    [text.replace("-1-", "-2-"), "its form is not 1"],
    [`SWMKEY-1-3-${secret}`, "it has 4 parts, want 5; it is cut off"],
    [`${text}-1`, "it has 6 parts, want 5"],
    [text.replace("-3-", "-03-"), "its version is not a number"],
    [text.replace(check, "1"), "its check has 1 characters, want 7"],
    [
      text.replace(secret, "Z".repeat(50)),
      "its secret has characters other than 0-9 and a-z",
    ],
    [
      text.replace(secret, "z".repeat(50)),
      "the value of its secret is too large",
    ],
    [
      text.replace("-3-", "-4-"),
      "its check does not match, so that it was mistyped",
    ],
  ] as const;
  for (const [given, found] of cases) {
    const error = await assertRejects(
      () => parseUnlockKey(realCrypto, given),
      SwarmdError,
      `Cannot read the unlock key: ${found}`,
    );
    assert(!error.message.includes(secret.slice(0, 8)));
  }
});

Deno.test("unlockingKey() depends on the version and every bit of the secret", async () => {
  const other = KEY.secret.slice();
  other[31] = 6;
  const keys = [KEY, { ...KEY, version: 4 }, { ...KEY, secret: other }];
  const derived = await Promise.all(
    keys.map(async (key) => {
      const { version, key: bytes } = await unlockingKey(realCrypto, key);
      assertEquals([version, bytes.length], [key.version, 32]);
      return toHex(bytes);
    }),
  );
  assertEquals(new Set(derived).size, 3);
  assert(!derived.includes(toHex(KEY.secret)));
});
