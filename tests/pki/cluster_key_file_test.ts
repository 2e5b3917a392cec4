import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  formatClusterKeys,
  openClusterKeys,
  parseClusterKeyFile,
} from "../../lib/pki/cluster_key_file.ts";
import { realCrypto } from "./material.ts";

const [ONE, TWO, THREE] = [1, 2, 3].map((n) => new Uint8Array(32).fill(n));
const RING = new Map(
  [[2, TWO], [3, THREE], [1, ONE]] as [number, Uint8Array<ArrayBuffer>][],
);
const UNLOCK = { version: 3, secret: new Uint8Array(32).fill(9) };

Deno.test("formatClusterKeys() writes one open key as one line", async () => {
  const text = await formatClusterKeys(realCrypto, new Map([[3, key(THREE)]]));
  assertEquals(text, `3:${toBase64(key(THREE))}\n`);
});

// W29: what is sealed opens again, in every form that is written.
Deno.test("openClusterKeys() gives back what formatClusterKeys() wrote, locked or not", async () => {
  for (const unlockKey of [undefined, UNLOCK]) {
    const text = await formatClusterKeys(realCrypto, RING, unlockKey);
    const file = parseClusterKeyFile(text);
    assertEquals([file.version, file.locked], [3, unlockKey !== undefined]);
    const ring = await openClusterKeys(realCrypto, file, unlockKey);
    assertEquals(ring, new Map([...RING].sort((a, b) => b[0] - a[0])));
    const open = [ONE, TWO, ...unlockKey ? [THREE] : []];
    for (const each of open) assert(!text.includes(toBase64(key(each))));
  }
});

Deno.test("openClusterKeys() says which unlock key is wanted", async () => {
  const text = await formatClusterKeys(realCrypto, RING, UNLOCK);
  const file = parseClusterKeyFile(text);
  const cases = [
    [undefined, "none is given"],
    [{ ...UNLOCK, version: 2 }, "that of version 2 is given"],
    [{ ...UNLOCK, version: 4 }, "that of version 4 is given"],
    [
      { ...UNLOCK, secret: new Uint8Array(32) },
      "another one of that version is given",
    ],
  ] as const;
  for (const [given, found] of cases) {
    const error = await assertRejects(
      () => openClusterKeys(realCrypto, file, given),
      SwarmdError,
      `Cannot unlock: the unlock key of version 3 is wanted, ${found}`,
    );
    assertEquals(error.code, "unlock-refused");
    assertEquals(error.data, { reason: "another", keyVersion: 3 });
  }
});

Deno.test("openClusterKeys() refuses lines that were swapped or changed", async () => {
  const text = await formatClusterKeys(realCrypto, RING, UNLOCK);
  const [first = "", second = "", third = ""] = text.split("\n");
  const body = (line: string) => line.split(":")[2] ?? "";
  const swapped = [
    first,
    second.replace(body(second), body(third)),
    third.replace(body(third), body(second)),
  ].join("\n");
  const file = parseClusterKeyFile(swapped);
  const error = await assertRejects(
    () => openClusterKeys(realCrypto, file, UNLOCK),
    SwarmdError,
  );
  assertEquals(error.code, "damaged-state");
});

Deno.test("parseClusterKeyFile() refuses anything else, and quotes nothing", () => {
  const open = toBase64(key(ONE));
  const cases = [
    "",
    "x",
    open,
    `0:${open}`,
    `1:${open}x`,
    `1:${open.slice(4)}`,
    `1:2:${open}`,
    `1:${open}\n2:1:${open}`,
    `3:${open}\n2:1:${open}`,
    `3:${open}\n2:${open}`,
    `3:${open}\n2:unlock:${open}`,
    `${`1:${open}\n`.repeat(17)}`,
    `1:lock:${open}`,
  ];
  for (const text of cases) {
    const error = assertThrows(() => parseClusterKeyFile(text), SyntaxError);
    assert(!error.message.includes(open.slice(0, 10)), error.message);
  }
});

Deno.test("formatClusterKeys() refuses to lock with an unlock key of another version", async () => {
  const key = { ...UNLOCK, version: 2 };
  await assertRejects(
    () => formatClusterKeys(realCrypto, RING, key),
    TypeError,
  );
});

function key(bytes: Uint8Array<ArrayBuffer> | undefined) {
  return bytes ?? new Uint8Array();
}
