import { assert, assertEquals } from "@std/assert";
import { encodePem } from "../../lib/pki/pem.ts";
import { formatDigest, rootDigest } from "../../lib/pki/root_digest.ts";
import { realCrypto, realRoot } from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

Deno.test("rootDigest() is what OpenSSL computes over the exported file", async () => {
  await using folder = await OpensslFolder.create();
  const { der } = (await realRoot()).certificate;
  await folder.write("root.pem", encodePem("CERTIFICATE", der));
  await folder.run("x509 -in root.pem -out again.pem");
  const text = formatDigest(await rootDigest(realCrypto, der));
  assert(/^sha256:[0-9a-f]{64}$/.test(text));
  for (const file of ["root.pem", "again.pem"]) {
    const printed = await folder.run(`dgst -sha256 -r ${file}`);
    assertEquals(`sha256:${printed.split(" ")[0]}`, text);
  }
});
