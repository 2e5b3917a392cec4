import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromBase64, toBase64, utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  openValue,
  type SealedValue,
  sealValue,
} from "../../lib/pki/sealed.ts";
import { realCrypto } from "./material.ts";

const KEY = { version: 3, key: new Uint8Array(32).fill(3) };
const RING = new Map([[KEY.version, KEY.key], [2, new Uint8Array(32)]]);
const NAME = "root key 1";
const DATA = utf8("secret of the cluster");

Deno.test("openValue() gives back what sealValue() sealed, JSON in between", async () => {
  const sealed = await sealValue(realCrypto, {
    key: KEY,
    name: NAME,
    data: DATA,
  });
  const value: SealedValue = JSON.parse(JSON.stringify(sealed));
  assertEquals(value.version, 3);
  assertEquals(
    await openValue(realCrypto, { ring: RING, name: NAME, value }),
    DATA,
  );
});

Deno.test("sealValue() never seals twice to the same bytes", async () => {
  const what = { key: KEY, name: NAME, data: DATA };
  const [a, b] = [
    await sealValue(realCrypto, what),
    await sealValue(realCrypto, what),
  ];
  assert(a.data !== b.data);
});

// W17: what is sealed is authenticated: a wrong key never seems to fit.
Deno.test("openValue() refuses another key, name or value and names the version wanted", async () => {
  const value = await sealValue(realCrypto, {
    key: KEY,
    name: NAME,
    data: DATA,
  });
  const bytes = fromBase64(value.data);
  const flipped = (at: number) => {
    const copy = bytes.slice();
    copy[at] = (copy[at] ?? 0) ^ 1;
    return { ...value, data: toBase64(copy) };
  };
  const good = { ring: RING, name: NAME, value };
  const table: [what: string, change: Partial<typeof good>, says: string][] = [
    ["empty ring", { ring: new Map() }, "version 3: the key ring holds none"],
    [
      "no such version",
      { ring: new Map([[2, KEY.key]]) },
      "version 3: the key ring holds 2",
    ],
    ["another key", { ring: new Map([[3, new Uint8Array(32)]]) }, "version 3"],
    ["another version", { value: { ...value, version: 2 } }, "version 2"],
    ["another record", { name: "root key 2" }, "root key 2"],
    ["changed nonce", { value: flipped(0) }, "wrong"],
    ["changed text", { value: flipped(12) }, "wrong"],
    ["changed tag", { value: flipped(bytes.length - 1) }, "wrong"],
    [
      "cut",
      { value: { ...value, data: toBase64(bytes.subarray(0, 20)) } },
      "wrong",
    ],
    ["empty", { value: { ...value, data: "" } }, "wrong"],
    ["no base64", { value: { ...value, data: "?" } }, "base64"],
  ];
  for (const [what, change, says] of table) {
    const error = await assertRejects(
      () => openValue(realCrypto, { ...good, ...change }),
      SwarmdError,
      says,
      what,
    );
    assertEquals([error.code, error.verdict], ["damaged-state", "stop"]);
    assert(!error.message.includes(value.data) || value.data === "");
  }
});
