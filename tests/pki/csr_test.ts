import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, equalBytes } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { createCsr, readCsr } from "../../lib/pki/csr.ts";
import {
  bitString,
  explicit,
  integer,
  oid,
  sequence,
} from "../../lib/pki/der.ts";
import { OID } from "../../lib/pki/oids.ts";
import { decodePem, encodePem } from "../../lib/pki/pem.ts";
import { signed } from "../../lib/pki/tbs.ts";
import { realCrypto } from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

async function refusal(der: Uint8Array): Promise<SwarmdError> {
  const error = await assertRejects(
    () => readCsr(realCrypto, der),
    SwarmdError,
  );
  assertEquals([error.code, error.verdict], ["csr-refused", "stop"]);
  return error;
}

Deno.test("createCsr() makes what OpenSSL verifies and readCsr() reads", async () => {
  await using folder = await OpensslFolder.create();
  const key = await realCrypto.generateKey();
  const der = await createCsr(realCrypto, key);
  await folder.write("csr.pem", encodePem("CERTIFICATE REQUEST", der));
  const printed = await folder.run("req -in csr.pem -verify -noout -text");
  assert(printed.includes("verify OK"));
  assertEquals(await readCsr(realCrypto, der), { spki: key.spki });
});

Deno.test("readCsr() takes OpenSSL's requests and ignores what they ask for", async () => {
  await using folder = await OpensslFolder.create();
  await folder.run(
    "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out a.key",
  );
  for (const digest of ["sha256", "sha384", "sha512"]) {
    await folder.run(
      `req -new -${digest} -key a.key -subj /O=evil/OU=swarm-manager/CN=x -addext basicConstraints=CA:TRUE -addext subjectAltName=DNS:swarm-manager -out a.csr`,
    );
    const [der] = decodePem(await folder.read("a.csr"), "CERTIFICATE REQUEST");
    assert(der);
    assertEquals(Object.keys(await readCsr(realCrypto, der)), ["spki"]);
  }
});

Deno.test("readCsr() refuses every key but P-256 and says what it found", async () => {
  await using folder = await OpensslFolder.create();
  const table: [options: string, text: string][] = [
    ["-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "type p384"],
    ["-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "1.3.132.0.10"],
    [
      "-algorithm RSA -pkeyopt rsa_keygen_bits:1024",
      "found a key of type rsa, 1024 bits",
    ],
    [
      "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
      "found a key of type rsa, 2048 bits",
    ],
    ["-algorithm ED25519", "type ed25519"],
    [
      "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
      "Cannot read",
    ],
  ];
  for (const [options, text] of table) {
    await folder.run(`genpkey ${options} -out a.key`);
    await folder.run("req -new -key a.key -subj /CN=x -out a.csr");
    const [der] = decodePem(await folder.read("a.csr"), "CERTIFICATE REQUEST");
    const { message } = await refusal(der ?? new Uint8Array());
    assert(message.includes(text), `${options}: ${message}`);
  }
});

Deno.test("readCsr() refuses requests whose sender does not hold the key", async () => {
  const [key, other] = [
    await realCrypto.generateKey(),
    await realCrypto.generateKey(),
  ];
  const stolen = await createCsr(realCrypto, { ...other, spki: key.spki });
  assert((await refusal(stolen)).message.includes("signature"));
  // A point that is not on the curve: its last bit is another
  const bent = key.spki.slice();
  bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1;
  await refusal(await createCsr(realCrypto, { ...key, spki: bent }));
  const infinity = key.spki.slice();
  infinity.fill(0, -64);
  await refusal(await createCsr(realCrypto, { ...key, spki: infinity }));
});

Deno.test("readCsr() refuses what is malformed or too large", async () => {
  const key = await realCrypto.generateKey();
  const sign = (body: Bytes) =>
    signed(realCrypto, { key: key.privateKey, body });
  const good = await createCsr(realCrypto, key);
  const table: [what: string, der: Uint8Array][] = [
    ["nothing", new Uint8Array()],
    ["8 KiB and more", concat(good, new Uint8Array(8_192))],
    ["bytes behind", concat(good, Uint8Array.of(0))],
    [
      "version 2",
      await sign(sequence(integer(1), sequence(), key.spki, explicit(0))),
    ],
    ["no attributes", await sign(sequence(integer(0), sequence(), key.spki))],
    [
      "more fields",
      await sign(
        sequence(integer(0), sequence(), key.spki, explicit(0), integer(1)),
      ),
    ],
    ["no key", await sign(sequence(integer(0), sequence(), explicit(0)))],
    [
      "SHA-1",
      sequence(
        good.subarray(3, 100),
        sequence(oid("1.2.840.10045.4.1")),
        bitString(new Uint8Array(70)),
      ),
    ],
    ["Ed25519 signature", await resign(good, OID.ed25519)],
  ];
  for (const [what, der] of table) {
    const { message } = await refusal(der);
    assert(
      message.startsWith("Cannot read certificate request"),
      `${what}: ${message}`,
    );
  }
});

/** The same request, said to be signed with another algorithm. */
function resign(der: Bytes, algorithm: string): Promise<Bytes> {
  const at = der.length - 12;
  const bytes = [...der];
  const from = bytes.findIndex((_, i) =>
    i < at && equalBytes(der.subarray(i, i + 12), ECDSA_SHA256)
  );
  const other = [...sequence(oid(algorithm))];
  const body = bytes.toSpliced(from, 12, ...other).slice(3);
  return Promise.resolve(sequence(Uint8Array.from(body)));
}

const ECDSA_SHA256 = sequence(oid(OID.ecdsaSha256));

Deno.test("readCsr() refuses every request that was changed", async () => {
  const good = await createCsr(realCrypto, await realCrypto.generateKey());
  const change = fc.tuple(
    fc.nat(good.length - 1),
    fc.integer({ min: 1, max: 255 }),
  );
  await fc.assert(
    fc.asyncProperty(change, async ([at, by]) => {
      const der = good.slice();
      der[at] = (der[at] ?? 0) ^ by;
      await refusal(der);
    }),
    { numRuns: 300 },
  );
});
