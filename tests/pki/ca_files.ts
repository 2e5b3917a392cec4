import { assertEquals, assertFalse, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY } from "../../lib/base/time.ts";
import {
  type CaExpectation,
  type CaFiles,
  importCa,
} from "../../lib/pki/ca_import.ts";
import { decryptPkcs8 } from "../../lib/signer/encrypted_key.ts";
import { realCrypto } from "./material.ts";
import type { OpensslFolder } from "./openssl.ts";

export const PASSPHRASE = "correct horse";
export const CA = "basicConstraints=critical,CA:TRUE";
export const SIGNS = "keyUsage=critical,keyCertSign,cRLSign";
const P256 = "EC -pkeyopt ec_paramgen_curve:P-256";
export const KEYS: Readonly<Record<string, string>> = {
  p256: P256,
  p384: "EC -pkeyopt ec_paramgen_curve:P-384",
  ed25519: "ED25519",
  rsa2048: "RSA -pkeyopt rsa_keygen_bits:2048",
  rsa4096: "RSA -pkeyopt rsa_keygen_bits:4096",
};

export interface Authority {
  readonly key?: string;
  readonly extensions?: readonly string[];
  /** Name of the authority that signs; itself, where left out. */
  readonly issuer?: string;
  readonly digest?: string;
  readonly days?: number;
}

/** Makes `NAME.pem` and `NAME.key`. */
export async function make(
  folder: OpensslFolder,
  name: string,
  options: Authority = {},
): Promise<void> {
  const { key = P256, extensions = [CA, SIGNS], issuer, digest, days = 365 } =
    options;
  await folder.run(`genpkey -algorithm ${key} -out ${name}.key`);
  await folder.write(`${name}.ext`, [...extensions, ""].join("\n"));
  const hash = digest === undefined ? "" : ` -${digest}`;
  await folder.run(`req -new -key ${name}.key -subj /CN=${name} -out csr`);
  const by = issuer === undefined
    ? `-signkey ${name}.key`
    : `-CA ${issuer}.pem -CAkey ${issuer}.key -CAcreateserial`;
  await folder.run(
    `x509 -req -in csr ${by} -days ${days} -extfile ${name}.ext -out ${name}.pem${hash}`,
  );
}

async function texts(folder: OpensslFolder, names: string): Promise<string> {
  const all = names.split(" ").map((name) => folder.read(name));
  return (await Promise.all(all)).join("");
}

export async function filesOf(
  folder: OpensslFolder,
  { certificates, key }: { certificates: string; key: string },
): Promise<CaFiles> {
  return {
    certificatesPem: await texts(folder, certificates),
    keyPem: await texts(folder, key),
    decrypt: decryptPkcs8,
  };
}

export function expectation(
  change: Partial<CaExpectation> = {},
): CaExpectation {
  return { now: Date.now() + 2_000, leafLifeMs: 90 * DAY, ...change };
}

export const CANNOT = "Cannot use this authority to sign with: ";
export const OPEN = "Cannot open the encrypted key: ";

/** The text of a refusal, which shows neither key nor passphrase. */
export async function refusal(
  files: CaFiles,
  change: Partial<CaExpectation> = {},
): Promise<string> {
  const error = await assertRejects(
    () => importCa(realCrypto, files, expectation(change)),
    SwarmdError,
  );
  assertEquals([error.code, error.verdict], ["usage", "stop"]);
  const shown = `${Deno.inspect(error)}${error.hint}`;
  assertFalse(shown.includes(PASSPHRASE));
  const [, secret] = files.keyPem.split("\n");
  if (secret) assertFalse(shown.includes(secret.slice(0, 40)));
  return error.message;
}
