import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concat, toHex, utf8 } from "../../lib/base/bytes.ts";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import {
  formatJoinToken,
  parseJoinToken,
  proveToken,
  tokenId,
  tokenKey,
} from "../../lib/pki/join_token.ts";
import { realCrypto } from "./material.ts";

const TOKEN = {
  digest: new Uint8Array(32).fill(0xab),
  secret: new Uint8Array(16).fill(0xcd),
};
const TEXT = formatJoinToken(TOKEN);
const [, , DIGEST = "", SECRET = ""] = TEXT.split("-");

Deno.test("formatJoinToken() has the form of the specification", () => {
  assert(/^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/.test(TEXT), TEXT);
});

Deno.test("parseJoinToken() reads back any token, white space around it dropped", () => {
  const bytes = (length: number) =>
    fc.uint8Array({ minLength: length, maxLength: length });
  const space = fc.constantFrom("", " ", "\n", "\r\n", "\t ");
  fc.assert(
    fc.property(bytes(32), bytes(16), space, (digest, secret, around) => {
      const text = formatJoinToken({
        digest: new Uint8Array(digest),
        secret: new Uint8Array(secret),
      });
      const read = parseJoinToken(around + text + around);
      assertEquals(toHex(read.digest), toHex(digest));
      assertEquals(toHex(read.secret), toHex(secret));
    }),
  );
});

const WRONG: [text: string, code: ErrorCode, says: string][] = [
  ["", "token-malformed", "empty"],
  [" \n", "token-malformed", "empty"],
  ["x".repeat(600), "token-malformed", "too long"],
  [SECRET, "token-malformed", "does not begin"],
  [TEXT.toLowerCase(), "token-malformed", "does not begin"],
  [`"${TEXT}"`, "token-malformed", "does not begin"],
  ["SWMTKN", "token-malformed", "version"],
  [`SWMTKN--${DIGEST}-${SECRET}`, "token-malformed", "version"],
  [`SWMTKN-x-${DIGEST}-${SECRET}`, "token-malformed", "version"],
  [
    `SWMTKN-2-${DIGEST}-${SECRET}`,
    "token-version",
    "found version 2, want version 1",
  ],
  [`SWMTKN-2-1-${DIGEST}-${SECRET}`, "token-version", "found version 2"],
  [`SWMTKN-0-${DIGEST}-${SECRET}`, "token-version", "found version 0"],
  ["SWMTKN-1", "token-malformed", "2 parts, want 4"],
  [
    `SWMTKN-1-${DIGEST}`,
    "token-malformed",
    "3 parts, want 4; it looks cut off",
  ],
  [`${TEXT}-x`, "token-malformed", "5 parts, want 4"],
  [
    `SWMTKN-1-${DIGEST.slice(1)}-${SECRET}`,
    "token-malformed",
    "root digest has 49 characters, want 50; it looks cut off",
  ],
  [
    `SWMTKN-1-${DIGEST}0-${SECRET}`,
    "token-malformed",
    "root digest has 51 characters, want 50",
  ],
  [
    TEXT.slice(0, -1),
    "token-malformed",
    "secret has 24 characters, want 25; it looks cut off",
  ],
  [`${TEXT}0`, "token-malformed", "secret has 26 characters, want 25"],
  [
    TEXT.replace(SECRET, SECRET.toUpperCase()),
    "token-malformed",
    "secret has characters other",
  ],
  [
    TEXT.replace(SECRET, SECRET.replace(/.$/, "ß")),
    "token-malformed",
    "secret has characters other",
  ],
  [
    `SWMTKN-1-${"z".repeat(50)}-${SECRET}`,
    "token-malformed",
    "value of its root digest is too large",
  ],
  [
    `SWMTKN-1-${DIGEST}-${"z".repeat(25)}`,
    "token-malformed",
    "value of its secret is too large",
  ],
];

Deno.test("parseJoinToken() says which part is wrong and never quotes it", () => {
  for (const [text, code, says] of WRONG) {
    const error = assertThrows(() => parseJoinToken(text), SwarmdError, says);
    assertEquals([error.code, error.verdict], [code, "stop"], says);
    const shown = JSON.stringify([error.message, error.hint, error.data]);
    for (const part of [SECRET, DIGEST, "zzzz"]) assert(!shown.includes(part));
  }
});

Deno.test("parseJoinToken() reads exactly what formatJoinToken() writes or refuses it", () => {
  const change = fc.tuple(
    fc.nat(TEXT.length - 1),
    fc.constantFrom(..."09az-A _"),
  );
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      let text = TEXT;
      for (const [at, char] of changes) {
        text = text.slice(0, at) + char + text.slice(at + 1);
      }
      try {
        assertEquals(formatJoinToken(parseJoinToken(text)), text.trim());
      } catch (error) {
        if (!(error instanceof SwarmdError)) throw error;
      }
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("tokenId() and tokenKey() are the documented hashes", async () => {
  const hash = async (label: string) =>
    new Uint8Array(
      await crypto.subtle.digest(
        "SHA-256",
        concat(utf8(`${label}\0`), TOKEN.secret),
      ),
    );
  assertEquals(
    await tokenKey(realCrypto, TOKEN.secret),
    await hash("swarmd token key 1"),
  );
  const id = await tokenId(realCrypto, TOKEN.secret);
  assert(/^[0-9a-z]{25}$/.test(id));
  const front = toHex((await hash("swarmd token id 1")).subarray(0, 16));
  assertEquals(BigInt(`0x${front}`).toString(36).padStart(25, "0"), id);
});

Deno.test("proveToken() depends on key, nonce and fingerprint", async () => {
  const proof = {
    key: await tokenKey(realCrypto, TOKEN.secret),
    nonce: new Uint8Array(32),
    leafFingerprint: "00".repeat(32),
  };
  const seen = new Set<string>();
  for (
    const change of [
      {},
      { key: new Uint8Array(32) },
      { nonce: new Uint8Array(31) },
      { nonce: new Uint8Array(32).fill(1) },
      { leafFingerprint: "01" + "00".repeat(31) },
    ]
  ) {
    const bytes = await proveToken(realCrypto, { ...proof, ...change });
    assertEquals(bytes.length, 32);
    seen.add(toHex(bytes));
  }
  assertEquals(seen.size, 5);
  assertEquals(
    toHex(await proveToken(realCrypto, proof)),
    toHex(await proveToken(realCrypto, proof)),
  );
});

Deno.test("proveToken() refuses short nonces and other fingerprints", async () => {
  const key = new Uint8Array(32);
  const nonce = new Uint8Array(32);
  const leafFingerprint = "00".repeat(32);
  const table = [
    { key, leafFingerprint, nonce: new Uint8Array(15) },
    { key, leafFingerprint, nonce: new Uint8Array(65) },
    { key, nonce, leafFingerprint: "00" },
  ];
  for (const proof of table) {
    await assertRejects(() => proveToken(realCrypto, proof), RangeError);
  }
});
