import { DAY } from "../../lib/base/time.ts";
import { importCa, type ImportedCa } from "../../lib/pki/ca_import.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { createRoot } from "../../lib/pki/root.ts";
import { decryptPkcs8 } from "../../lib/signer/encrypted_key.ts";
import { type Holder, random, realCrypto } from "../pki/material.ts";
import { OpensslFolder } from "../pki/openssl.ts";

/** A root as the product makes it, of today. */
export async function newRoot(): Promise<Holder> {
  const key = await realCrypto.generateKey();
  const now = Date.now();
  const der = await createRoot(realCrypto, { random, now, generation: 1, key });
  return { certificate: await readCertificate(realCrypto, der), key };
}

/** A root with a name of its own, of OpenSSL's making. */
export async function corporateRoot(): Promise<Holder> {
  await using folder = await OpensslFolder.create();
  await folder.run(
    "genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out ca.key",
  );
  await folder.run(
    "req -x509 -key ca.key -subj /CN=corporate -days 3650 -addext keyUsage=critical,keyCertSign,cRLSign -out ca.pem",
  );
  const files = {
    certificatesPem: await folder.read("ca.pem"),
    keyPem: await folder.read("ca.key"),
    decrypt: decryptPkcs8,
  };
  const now = Date.now() + 1_000;
  const { anchor: certificate, key } = await importCa(realCrypto, files, {
    now,
    leafLifeMs: 90 * DAY,
  });
  return { certificate, key };
}

/**
 * An intermediate of OpenSSL's making, below a root.
 *
 * @param type of its key: `rsa:BITS`, `ec:CURVE` or `ed25519`
 */
export async function importedCa(type: string): Promise<ImportedCa> {
  await using folder = await OpensslFolder.create();
  const [kind = "", size = ""] = type.split(":");
  const options = kind === "rsa"
    ? ` -pkeyopt rsa_keygen_bits:${size}`
    : kind === "ec"
    ? ` -pkeyopt ec_paramgen_curve:${size}`
    : "";
  await folder.run(`genpkey -algorithm ${kind}${options} -out ca.key`);
  await folder.run("genpkey -algorithm ed25519 -out root.key");
  await folder.run(
    "req -x509 -key root.key -subj /CN=root -days 3650 -out root.pem",
  );
  await folder.run("req -new -key ca.key -subj /CN=issuing -out csr");
  await folder.write(
    "ext",
    "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\n",
  );
  await folder.run(
    "x509 -req -in csr -CA root.pem -CAkey root.key -CAcreateserial -days 365 -extfile ext -out ca.pem",
  );
  const files = {
    certificatesPem: await folder.read("ca.pem") +
      await folder.read("root.pem"),
    keyPem: await folder.read("ca.key"),
    decrypt: decryptPkcs8,
  };
  const now = Date.now() + 1_000;
  return await importCa(realCrypto, files, { now, leafLifeMs: 90 * DAY });
}
