import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY } from "../../lib/base/time.ts";
import {
  type CaExpectation,
  importAnchor,
  importCa,
} from "../../lib/pki/ca_import.ts";
import {
  type Authority,
  CA,
  CANNOT,
  expectation,
  filesOf,
  KEYS,
  make,
  OPEN,
  refusal,
  SIGNS,
} from "./ca_files.ts";
import { decodePem, encodePem } from "../../lib/pki/pem.ts";
import { realCrypto } from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

interface Case {
  readonly made: Readonly<Record<string, Authority>>;
  readonly certificates?: string;
  readonly key?: string;
  readonly at?: Partial<CaExpectation>;
  /** What the refusal says. */
  readonly says: string;
}

const REFUSED: Readonly<Record<string, Case>> = {
  "the key of another certificate": {
    made: { a: {}, b: {} },
    key: "b.key",
    says: "the key is that of another certificate",
  },
  "a certificate that is not an authority's": {
    made: { a: { extensions: ["basicConstraints=CA:FALSE"] } },
    says: '"CN=a" is not an authority\'s certificate',
  },
  "a certificate without constraints": {
    made: { a: { extensions: ["subjectKeyIdentifier=hash"] } },
    says: '"CN=a" is not an authority\'s certificate',
  },
  "an authority that may not sign certificates": {
    made: { a: { extensions: [CA, "keyUsage=cRLSign"] } },
    says: '"CN=a" may not sign certificates',
  },
  "an authority for other purposes": {
    made: { a: { extensions: [CA, SIGNS, "extendedKeyUsage=clientAuth"] } },
    says: '"CN=a" may not issue for serverAuth',
  },
  "an authority with name constraints": {
    made: {
      a: { extensions: [CA, SIGNS, "nameConstraints=permitted;DNS:x"] },
    },
    says: '"CN=a" has unknown constraints: 2.5.29.30',
  },
  "an expired authority": {
    made: { a: {} },
    at: { now: Date.now() + 366 * DAY },
    says: '"CN=a" expired at ',
  },
  "an authority that is not yet valid": {
    made: { a: {} },
    at: { now: Date.now() - DAY },
    says: '"CN=a" is not valid before ',
  },
  "an authority that ends before a leaf would": {
    made: { a: {} },
    at: { leafLifeMs: 366 * DAY },
    says: "too soon for certificates that live 366d",
  },
  "an expired authority above": {
    made: { top: { days: 100 }, a: { issuer: "top" } },
    certificates: "a.pem top.pem",
    at: { now: Date.now() + 101 * DAY },
    says: '"CN=top" expired at ',
  },
  "RSA of 1024 bits": {
    made: { a: { key: "RSA -pkeyopt rsa_keygen_bits:1024" } },
    says: '"CN=a" has an RSA key of 1024 bits, want 2048 to 8192',
  },
  "P-521": {
    made: { a: { key: "EC -pkeyopt ec_paramgen_curve:P-521" } },
    says: '"CN=a" has a key of type p521, want one of p256, p384, ed25519, rsa',
  },
  "a curve that is not known": {
    made: { a: { key: "EC -pkeyopt ec_paramgen_curve:secp256k1" } },
    says: "curve 1.3.132.0.10 is not supported",
  },
  "a signature with SHA-1": {
    made: { a: { key: KEYS["rsa2048"] ?? "", digest: "sha1" } },
    says: "RSA with SHA-1 (1.2.840.113549.1.1.5)",
  },
  "an ECDSA signature with SHA-1 above": {
    made: { top: { digest: "sha1" }, a: { issuer: "top" } },
    certificates: "a.pem top.pem",
    says: "ECDSA with SHA-1 (1.2.840.10045.4.1)",
  },
  "a chain whose root comes first": {
    made: { top: {}, a: { issuer: "top" } },
    certificates: "top.pem a.pem",
    says: "the chain is in the wrong order: the key is that of certificate 2",
  },
  "a chain whose upper part is turned round": {
    made: { top: {}, mid: { issuer: "top" }, a: { issuer: "mid" } },
    certificates: "a.pem top.pem mid.pem",
    says: '"CN=a" is not issued by "CN=top", which follows it',
  },
  "certificates of two chains": {
    made: { a: {}, b: {} },
    certificates: "a.pem b.pem",
    says: '"CN=a" is not issued by "CN=b", which follows it',
  },
  "a chain below something that is no authority": {
    made: {
      top: { extensions: [CA, "keyUsage=cRLSign"] },
      a: { issuer: "top" },
    },
    certificates: "a.pem top.pem",
    says: '"CN=top" may not sign certificates',
  },
  "several keys": {
    made: { a: {}, b: {} },
    key: "a.key b.key",
    says: "the key file holds 2 blocks, want one key",
  },
  "a key file with a certificate": {
    made: { a: {} },
    key: "a.key a.pem",
    says: "the key file holds 2 blocks, want one key",
  },
  "a key file without a key": {
    made: { a: {} },
    key: "a.ext",
    says: "the key file holds no key in PEM",
  },
  "a certificate in place of the key": {
    made: { a: {} },
    key: "a.pem",
    says: 'the key file holds a block "CERTIFICATE", want "PRIVATE KEY"',
  },
  "a key in place of the certificate": {
    made: { a: {} },
    certificates: "a.key",
    says: 'Cannot read PEM: line 1 begins no complete block "CERTIFICATE"',
  },
  "an empty certificate file": {
    made: { a: {} },
    certificates: "empty",
    says: 'found no block "CERTIFICATE"',
  },
};

for (const [name, test] of Object.entries(REFUSED)) {
  Deno.test(`importCa() refuses ${name}, by name`, async () => {
    await using folder = await OpensslFolder.create();
    await folder.write("empty", "");
    for (const [each, options] of Object.entries(test.made)) {
      await make(folder, each, options);
    }
    const { certificates = "a.pem", key = "a.key", at = {} } = test;
    const files = await filesOf(folder, { certificates, key });
    const text = await refusal(files, at);
    assertStringIncludes(text, CANNOT);
    assertStringIncludes(text, test.says);
  });
}

Deno.test("importCa() refuses a chain that only looks signed, a second root of the same name", async () => {
  await using folder = await OpensslFolder.create();
  const extensions = [CA, SIGNS, "subjectKeyIdentifier=none"];
  await make(folder, "top", { extensions });
  await make(folder, "a", {
    issuer: "top",
    extensions: [...extensions, "authorityKeyIdentifier=none"],
  });
  await make(folder, "top", { extensions });
  const files = await filesOf(folder, {
    certificates: "a.pem top.pem",
    key: "a.key",
  });
  assertEquals(
    await refusal(files),
    `${CANNOT}"CN=a" is not signed by the key of its issuer`,
  );
});

Deno.test("importCa() tells how to convert keys in older forms and ciphers", async () => {
  await using folder = await OpensslFolder.create();
  await make(folder, "a");
  await make(folder, "r", { key: KEYS["rsa2048"] ?? "" });
  await folder.run("pkey -traditional -in a.key -out sec1.key");
  await folder.run("pkey -traditional -in r.key -out pkcs1.key");
  await folder.run(
    "pkey -traditional -in r.key -aes128 -passout pass:x -out old.key",
  );
  await folder.run(
    "pkcs8 -topk8 -in a.key -v2 des3 -passout pass:x -out des3.key",
  );
  const cases: Record<string, string> = {
    "sec1.key": `${CANNOT}the key file holds a block "EC PRIVATE KEY"`,
    "pkcs1.key": `${CANNOT}the key file holds a block "RSA PRIVATE KEY"`,
    "old.key": `${CANNOT}the key file holds a block "RSA PRIVATE KEY"`,
    "des3.key": `${OPEN}it is damaged, or encrypted in a way that is not known`,
  };
  for (const [key, says] of Object.entries(cases)) {
    const chain = key === "sec1.key" || key === "des3.key" ? "a.pem" : "r.pem";
    const files = {
      ...await filesOf(folder, { certificates: chain, key }),
      passphrase: "x",
    };
    assertStringIncludes(await refusal(files), says);
    const error = await assertRejects(
      () => importCa(realCrypto, files, expectation()),
      SwarmdError,
    );
    assertStringIncludes(error.hint ?? "", "openssl pkcs8 -topk8");
  }
});

/** The key of `b`, with the public half of `a`, as `mixed.key`. */
async function mix(folder: OpensslFolder, type: string): Promise<void> {
  const body = async (name: string) => {
    const [der = new Uint8Array()] = decodePem(
      await folder.read(name),
      "PRIVATE KEY",
    );
    return der;
  };
  const [a, b] = [await body("a.key"), await body("b.key")];
  if (type === "rsa") {
    // The modulus is the first number of 2048 bits (RFC 8017 appendix A.1.2)
    const at = (der: Uint8Array) => der.toHex().indexOf("0282010100") / 2 + 5;
    b.set(a.subarray(at(a), at(a) + 256), at(b));
  } else {
    // The point is at the end (RFC 5915 §3)
    b.set(a.subarray(-64), b.length - 64);
  }
  await folder.write("mixed.key", encodePem("PRIVATE KEY", b));
}

Deno.test("importCa() refuses a key file whose public half is not its private one", async () => {
  for (const type of ["p256", "rsa"]) {
    await using folder = await OpensslFolder.create();
    const key = KEYS[type === "rsa" ? "rsa2048" : type] ?? "";
    await make(folder, "a", { key });
    await make(folder, "b", { key });
    await mix(folder, type);
    const files = await filesOf(folder, {
      certificates: "a.pem",
      key: "mixed.key",
    });
    assertStringIncludes(
      await refusal(files),
      "its parts do not belong together",
      type,
    );
  }
});

Deno.test("importAnchor() refuses an authority elsewhere with the name of clusters' own roots", async () => {
  await using folder = await OpensslFolder.create();
  for (const name of ["swarm-ca", "corporate"]) await make(folder, name);
  const read = async (name: string) =>
    await importAnchor(
      realCrypto,
      await folder.read(`${name}.pem`),
      expectation(),
    );
  assertEquals(
    (await read("corporate")).anchor.subject.commonName,
    "corporate",
  );
  const error = await assertRejects(() => read("swarm-ca"), SwarmdError);
  assertEquals(
    error.message,
    `${CANNOT}"CN=swarm-ca" has the name of clusters' own roots, and its key is elsewhere`,
  );
});
