import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { concat, fromHex, toHex, utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { SignatureAlgorithm } from "../../lib/pki/crypto.ts";
import { decodeEcdsa, encodeEcdsa } from "../../lib/pki/ecdsa_signature.ts";
import { integer, sequence } from "../../lib/pki/der.ts";
import { decodePem, encodePem } from "../../lib/pki/pem.ts";
import { readSpki } from "../../lib/pki/spki.ts";
import { random, realCrypto } from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

const DATA = utf8("what is signed");

Deno.test("encodeEcdsa() and decodeEcdsa() are inverse, for any two numbers", () => {
  const raw = fc.uint8Array({ minLength: 64, maxLength: 64 });
  const sparse = fc.array(fc.constantFrom(0, 0x80, 1), {
    minLength: 64,
    maxLength: 64,
  })
    .map((bytes) => Uint8Array.from(bytes));
  fc.assert(fc.property(fc.oneof(raw, sparse), (bytes) => {
    const own = new Uint8Array(bytes);
    assertEquals(decodeEcdsa(encodeEcdsa(own), 32), own);
  }));
});

Deno.test("decodeEcdsa() refuses other encodings of a signature", () => {
  const big = integer(new Uint8Array(33).fill(1));
  const wrong = [
    new Uint8Array(64),
    sequence(integer(1)),
    sequence(integer(1), integer(1), integer(1)),
    sequence(big, integer(1)),
    sequence(integer(1), big),
    concat(sequence(integer(1), integer(1)), Uint8Array.of(0)),
    fromHex("3007020200010201" + "01"),
    fromHex("30060201ff020101"),
  ];
  for (const der of wrong) {
    assertThrows(() => decodeEcdsa(der, 32), SyntaxError);
  }
});

Deno.test("sign() makes signatures that OpenSSL verifies, and its own keys are OpenSSL's", async () => {
  await using folder = await OpensslFolder.create();
  const key = await realCrypto.generateKey();
  await folder.write(
    "key.pem",
    encodePem("PRIVATE KEY", await realCrypto.exportPkcs8(key.privateKey)),
  );
  await folder.write("public.pem", encodePem("PUBLIC KEY", key.spki));
  await Deno.writeFile(`${folder.path}/data`, DATA);
  await Deno.writeFile(
    `${folder.path}/signature`,
    await realCrypto.sign(key.privateKey, DATA),
  );
  await folder.run("dgst -sha256 -verify public.pem -signature signature data");
  await folder.run("pkey -in key.pem -pubout -out derived.pem");
  assertEquals(
    await folder.read("derived.pem"),
    await folder.read("public.pem"),
  );
});

Deno.test("exportPkcs8() gives a copy, and nothing else shows the key", async () => {
  const { privateKey } = await realCrypto.generateKey();
  const pkcs8 = await realCrypto.exportPkcs8(privateKey);
  pkcs8.fill(0);
  const again = await realCrypto.exportPkcs8(privateKey);
  assertEquals((await realCrypto.importPkcs8(again)).spki.length > 0, true);
  // The number itself, as any text of bytes would carry it (RFC 5915 §3)
  const secret = again.subarray(36, 68);
  const shown = Deno.inspect(privateKey, { depth: 9, showHidden: true }) +
    JSON.stringify(privateKey);
  for (const form of [toHex(secret), secret.toBase64(), [...secret].join()]) {
    assertFalse(shown.replaceAll(/\s/g, "").includes(form));
  }
});

Deno.test("sign() refuses a key that is not its own", async () => {
  await assertRejects(
    () => realCrypto.sign({ brand: "private-key" }, DATA),
    TypeError,
  );
});

const KINDS: [options: string, algorithms: SignatureAlgorithm[]][] = [
  ["EC -pkeyopt ec_paramgen_curve:P-256", [
    "ecdsa-sha256",
    "ecdsa-sha384",
    "ecdsa-sha512",
  ]],
  ["EC -pkeyopt ec_paramgen_curve:P-384", [
    "ecdsa-sha256",
    "ecdsa-sha384",
    "ecdsa-sha512",
  ]],
  ["EC -pkeyopt ec_paramgen_curve:P-521", [
    "ecdsa-sha256",
    "ecdsa-sha384",
    "ecdsa-sha512",
  ]],
  ["RSA -pkeyopt rsa_keygen_bits:2048", [
    "rsa-sha256",
    "rsa-sha384",
    "rsa-sha512",
  ]],
];

Deno.test("verify() agrees with OpenSSL for every kind of key and digest", async () => {
  await using folder = await OpensslFolder.create();
  await Deno.writeFile(`${folder.path}/data`, DATA);
  for (const [options, algorithms] of KINDS) {
    await folder.run(`genpkey -algorithm ${options} -out key.pem`);
    await folder.run("pkey -in key.pem -pubout -out public.pem");
    const [spki = new Uint8Array()] = decodePem(
      await folder.read("public.pem"),
      "PUBLIC KEY",
    );
    for (const algorithm of algorithms) {
      const digest = algorithm.split("-")[1];
      await folder.run(`dgst -${digest} -sign key.pem -out signature data`);
      const signature = await Deno.readFile(`${folder.path}/signature`);
      const request = { spki, algorithm, data: DATA, signature };
      assert(await realCrypto.verify(request), `${options} ${algorithm}`);
      assert(!(await realCrypto.verify({ ...request, data: utf8("else") })));
      assert(
        !(await realCrypto.verify({
          ...request,
          signature: signature.slice(1),
        })),
      );
      for (const other of ["ed25519", "rsa-sha256", "ecdsa-sha256"] as const) {
        if (other === algorithm) continue;
        assert(!(await realCrypto.verify({ ...request, algorithm: other })));
      }
    }
  }
});

Deno.test("verify() takes Ed25519 and refuses RSA below 2048 bits", async () => {
  await using folder = await OpensslFolder.create();
  await Deno.writeFile(`${folder.path}/data`, DATA);
  await folder.run("genpkey -algorithm ED25519 -out key.pem");
  await folder.run("pkey -in key.pem -pubout -out public.pem");
  await folder.run(
    "pkeyutl -sign -rawin -inkey key.pem -in data -out signature",
  );
  await folder.run(
    "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.pem",
  );
  await folder.run("pkey -in weak.pem -pubout -out weak.public.pem");
  await folder.run("dgst -sha256 -sign weak.pem -out weak.signature data");
  const table = [
    ["public.pem", "signature", "ed25519", true],
    ["weak.public.pem", "weak.signature", "rsa-sha256", false],
  ] as const;
  for (const [file, signatureFile, algorithm, want] of table) {
    const [spki = new Uint8Array()] = decodePem(
      await folder.read(file),
      "PUBLIC KEY",
    );
    const signature = await Deno.readFile(`${folder.path}/${signatureFile}`);
    const request = { spki, algorithm, data: DATA, signature };
    assertEquals(await realCrypto.verify(request), want);
  }
});

Deno.test("readSpki() tells kind and size", async () => {
  await using folder = await OpensslFolder.create();
  const table: [options: string, type: string, bits: number][] = [
    ["RSA -pkeyopt rsa_keygen_bits:1027", "rsa", 1027],
    ["RSA -pkeyopt rsa_keygen_bits:2048", "rsa", 2048],
    ["ED25519", "ed25519", 256],
  ];
  for (const [options, type, bits] of table) {
    await folder.run(`genpkey -algorithm ${options} -out key.pem`);
    await folder.run("pkey -in key.pem -pubout -out public.pem");
    const [spki = new Uint8Array()] = decodePem(
      await folder.read("public.pem"),
      "PUBLIC KEY",
    );
    const info = readSpki(spki);
    assertEquals([info.type, info.bits], [type, bits]);
  }
});

Deno.test("verify() is false, never an error, for any damaged key or signature", async () => {
  const key = await realCrypto.generateKey();
  const signature = await realCrypto.sign(key.privateKey, DATA);
  const request = {
    spki: key.spki,
    algorithm: "ecdsa-sha256",
    data: DATA,
    signature,
  } as const;
  assert(await realCrypto.verify(request));
  await fc.assert(
    fc.asyncProperty(
      fc.nat(90),
      fc.integer({ min: 1, max: 255 }),
      async (at, by) => {
        for (const part of ["spki", "signature"] as const) {
          const bytes = request[part].slice();
          bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ by;
          assertFalse(await realCrypto.verify({ ...request, [part]: bytes }));
        }
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("verify() refuses the signature of a point that is not on the curve and of zeros", async () => {
  const { spki } = await realCrypto.generateKey();
  const zero = spki.slice();
  zero.fill(0, -64);
  for (
    const signature of [
      sequence(integer(0), integer(0)),
      sequence(integer(1), integer(1)),
      new Uint8Array(),
    ]
  ) {
    for (const each of [spki, zero]) {
      assertFalse(
        await realCrypto.verify({
          spki: each,
          algorithm: "ecdsa-sha256",
          data: DATA,
          signature,
        }),
      );
    }
  }
});

Deno.test("sha256() and hmacSha256() give the published vectors", async () => {
  // FIPS 180-2 appendix B.1 and RFC 4231 §4.3
  assertEquals(
    toHex(await realCrypto.sha256(utf8("abc"))),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assertEquals(
    toHex(
      await realCrypto.hmacSha256(
        utf8("Jefe"),
        utf8("what do ya want for nothing?"),
      ),
    ),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});

Deno.test("open() gives back what seal() sealed and refuses anything else", async () => {
  const key = random.bytes(32);
  for (const length of [0, 1, 1_000]) {
    const data = random.bytes(length);
    const sealed = await realCrypto.seal({ key, name: "n", data });
    assertEquals(sealed.length, 12 + length + 16);
    assertEquals(await realCrypto.open({ key, name: "n", data: sealed }), data);
    for (
      const change of [{ key: random.bytes(32) }, { name: "m" }, {
        data: sealed.slice(1),
      }, { data: sealed.slice(0, 27) }]
    ) {
      const error = await assertRejects(
        () => realCrypto.open({ key, name: "n", data: sealed, ...change }),
        SwarmdError,
      );
      assertEquals(error.code, "damaged-state");
    }
  }
  await assertRejects(
    () => realCrypto.seal({ key: new Uint8Array(16), name: "n", data: DATA }),
    RangeError,
  );
});
