import { assert, assertEquals, assertFalse } from "@std/assert";
import type { Crypto } from "../../lib/pki/crypto.ts";
import { assertPath, assertRefused, crossSign, judge } from "./chain_judge.ts";
import {
  forge,
  forgeCa,
  type Holder,
  NOW,
  realCrypto,
  realLeaf,
  realRoot,
} from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

const root = await forgeCa({ subject: "root" });
const middle = await forgeCa({ subject: "middle", issuer: root });
const direct = await forge({ subject: "direct", issuer: root });

// ---- Bounds ----

Deno.test("verifyChain() looks at 16 certificates and 6 steps", async () => {
  const seventeen = [direct, ...Array<Holder>(16).fill(middle)];
  await assertRefused(judge(seventeen, [root]), "too-long");
  const ladder = [root];
  for (let i = 1; i <= 6; i++) {
    ladder.unshift(
      await forgeCa({ subject: `step ${i}`, issuer: ladder[0] ?? root }),
    );
  }
  const six = await forge({ issuer: ladder[1] ?? root });
  await assertPath(judge([six, ...ladder.slice(1)], [root]), [
    six,
    ...ladder.slice(1),
  ]);
  const seven = await forge({ issuer: ladder[0] ?? root });
  await assertRefused(judge([seven, ...ladder], [root]), "too-long");
});

Deno.test("verifyChain() gives up after 8 signature checks", async () => {
  let checks = 0;
  const crypto = counting(() => checks++);
  const posing: Holder[] = [];
  for (let i = 0; i < 20; i++) posing.push(await forgeCa({ subject: "same" }));
  const node = await forge({ issuer: await forgeCa({ subject: "same" }) });
  await assertRefused(judge([node], posing, { crypto }), "bad-signature");
  assertEquals(checks, 8);
});

Deno.test("verifyChain() ends where authorities sign each other in circles", async () => {
  let checks = 0;
  const crypto = counting(() => checks++);
  const keys = await Promise.all(
    Array.from({ length: 4 }, () => forgeCa({ subject: "circle" })),
  );
  const circle: Holder[] = [];
  for (const double of keys) {
    for (const issuer of keys) {
      if (double === issuer) continue;
      circle.push(await forgeCa({ double, issuer }));
    }
  }
  const [first = root] = keys;
  const node = await forge({ issuer: first });
  const verdict = await judge([node, ...circle], [root], { crypto });
  assertFalse(verdict.ok);
  assert(checks <= 16, `${checks} checks`);
});

function counting(count: () => void): Crypto {
  const verify: Crypto["verify"] = (request) => {
    count();
    return realCrypto.verify(request);
  };
  return Object.assign(Object.create(realCrypto) as Crypto, { verify });
}

// ---- A second opinion ----

Deno.test("verifyChain() agrees with OpenSSL on chains of the product", async () => {
  await using folder = await OpensslFolder.create();
  const [old, young] = [await realRoot(1), await realRoot(2)];
  const cross = await crossSign(young, old);
  const node = await realLeaf(young);
  const files = { old, young, cross, node };
  for (const [name, holder] of Object.entries(files)) {
    await folder.writeCertificates(`${name}.pem`, [holder.certificate.der]);
  }
  const table: [anchor: Holder, file: string, untrusted: Holder[]][] = [
    [old, "old", [cross]],
    [young, "young", [cross]],
    [old, "old", []],
    [young, "young", []],
  ];
  for (const [anchor, file, untrusted] of table) {
    const extra = untrusted.length > 0 ? "-untrusted cross.pem" : "";
    const theirs = await folder.try(
      `verify -attime ${
        NOW / 1000
      } -purpose sslclient -CAfile ${file}.pem ${extra} node.pem`,
    );
    const ours = await judge([node, ...untrusted], [anchor]);
    assertEquals(ours.ok, theirs.code === 0, `${file} ${extra}`);
  }
});
