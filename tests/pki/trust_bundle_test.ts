import { assert, assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  bundleDigest,
  readBundle,
  writeBundle,
} from "../../lib/pki/trust_bundle.ts";
import {
  authority,
  forge,
  forgeCa,
  type Holder,
  keyUsage,
  realCrypto,
  realRoot,
} from "./material.ts";

const bundleOf = (...holders: Holder[]) => ({
  roots: holders.map((holder) => holder.certificate),
});

Deno.test("readBundle() reads back what writeBundle() wrote, in order", async () => {
  const bundle = bundleOf(await realRoot(1), await realRoot(2));
  const text = writeBundle(bundle);
  assertEquals(await readBundle(realCrypto, text), bundle);
  assertEquals(writeBundle(await readBundle(realCrypto, text)), text);
});

Deno.test("readBundle() refuses what cannot be trusted", async () => {
  const root = await realRoot();
  const nine = await Promise.all(Array.from({ length: 9 }, () => realRoot()));
  const unsigned = await forge({ extensions: [authority(), keyUsage(6)] });
  const table: [what: string, text: string, says: string][] = [
    ["nothing", "", "no block"],
    ["nine", writeBundle(bundleOf(...nine)), "found 9 roots"],
    ["twice", writeBundle(bundleOf(root, root)), "twice"],
    [
      "a node",
      writeBundle(bundleOf(root, await forge({}))),
      "not an authority",
    ],
    [
      "version 1",
      writeBundle(bundleOf(await forgeCa({ version: 1 }))),
      "version 1",
    ],
    ["no keyCertSign", writeBundle(bundleOf(unsigned)), "may not sign"],
  ];
  for (const [what, text, says] of table) {
    const error = await assertRejects(
      () => readBundle(realCrypto, text),
      SwarmdError,
      says,
      what,
    );
    assertEquals(error.code, "bad-message");
  }
});

Deno.test("bundleDigest() is the same for the same roots in any order", async () => {
  const [a, b] = [await realRoot(1), await realRoot(2)];
  const digest = await bundleDigest(realCrypto, bundleOf(a, b));
  assert(/^sha256:[0-9a-f]{64}$/.test(digest));
  assertEquals(await bundleDigest(realCrypto, bundleOf(b, a)), digest);
  assert(await bundleDigest(realCrypto, bundleOf(a)) !== digest);
  assert(await bundleDigest(realCrypto, bundleOf(b)) !== digest);
});
