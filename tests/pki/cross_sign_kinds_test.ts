import { assert } from "@std/assert";
import { newId } from "../../lib/base/random.ts";
import { DAY } from "../../lib/base/time.ts";
import { importCa } from "../../lib/pki/ca_import.ts";
import { crossSign } from "../../lib/pki/cross_sign.ts";
import { expectation, filesOf, KEYS, make } from "./ca_files.ts";
import { random, realCrypto } from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

const KINDS = ["p256", "p384", "ed25519", "rsa2048"];

/** An authority with a key of a kind, made by OpenSSL. */
async function authority(
  folder: OpensslFolder,
  { name, kind }: { readonly name: string; readonly kind: string },
) {
  await make(folder, name, { key: KEYS[kind] ?? "" });
  const files = await filesOf(folder, {
    certificates: `${name}.pem`,
    key: `${name}.key`,
  });
  return await importCa(realCrypto, files, expectation());
}

for (const from of KINDS) {
  Deno.test(`crossSign() leads from a root of ${from} to roots of every kind`, async () => {
    await using folder = await OpensslFolder.create();
    const old = await authority(folder, { name: "old", kind: from });
    for (const to of KINDS) {
      const next = await authority(folder, { name: "next", kind: to });
      const now = Date.now() + 2_000;
      const cross = await crossSign(realCrypto, {
        root: next.anchor,
        clusterId: newId(random),
        generation: 2,
        successor: true,
        issuer: old.anchor,
        issuerKey: old.key.privateKey,
        random,
        now,
        end: now + DAY,
      });
      await folder.writeCertificates("cross.pem", [cross]);
      await make(folder, "leaf", {
        issuer: "next",
        extensions: ["basicConstraints=critical,CA:FALSE"],
      });
      const at = `-attime ${Math.floor(now / 1_000) + 60}`;
      for (const trusted of ["old.pem -untrusted cross.pem", "next.pem"]) {
        await folder.run(`verify ${at} -CAfile ${trusted} leaf.pem`);
      }
      const alone = await folder.try(`verify ${at} -CAfile old.pem leaf.pem`);
      assert(alone.code !== 0, `${from} to ${to}, without it`);
    }
  });
}
