import "reflect-metadata";
import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import * as x509 from "@peculiar/x509";
import fc from "fast-check";
import { type Bytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import { createCrl, CRL_SLICE, type CrlOrder } from "../../lib/pki/crl.ts";
import {
  CrlEntryWriter,
  type RevokedCertificate,
} from "../../lib/pki/crl_entries.ts";
import {
  element,
  integer,
  octetString,
  oid,
  sequence,
  TAG,
  time,
} from "../../lib/pki/der.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { type Holder, NOW, random, realCrypto } from "./material.ts";
import { realLeaf, realRoot } from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

const END = Date.UTC(2060, 0, 1);

function revoked(
  serial: string,
  change: Partial<RevokedCertificate> = {},
): RevokedCertificate {
  return { serial, revokedAt: NOW, reason: "superseded", ...change };
}

async function listOf(
  root: Holder,
  order: Partial<CrlOrder> & Pick<CrlOrder, "revoked">,
): Promise<Bytes> {
  const { der } = await createCrl({
    issuer: root.certificate,
    algorithm: "ecdsa-sha256",
    number: 7,
    thisUpdate: NOW,
    nextUpdate: NOW + DAY,
    pause: () => Promise.resolve(),
    sign: (tbs) => realCrypto.sign(root.key.privateKey, tbs),
    ...order,
  });
  return der;
}

/** What OpenSSL reads in it, with the list and its issuer in the folder. */
async function opensslText(
  folder: OpensslFolder,
  { root, der }: { root: Holder; der: Bytes },
): Promise<string> {
  await folder.writeCertificates("root.pem", [root.certificate.der]);
  await folder.write("list.pem", encodePem("X509 CRL", der));
  return await folder.run(
    "crl -in list.pem -noout -text -nameopt RFC2253 -CAfile root.pem",
  );
}

Deno.test("createCrl() writes what OpenSSL reads and verifies", async () => {
  await using folder = await OpensslFolder.create();
  const root = await realRoot();
  const der = await listOf(root, {
    number: 1_767_225_600,
    revoked: [
      revoked("40a1", { revokedAt: NOW - HOUR }),
      revoked("ff01", { reason: "cessationOfOperation" }),
      revoked("7f"),
      revoked("80", { revokedAt: END }),
    ],
  });
  const text = await opensslText(folder, { root, der });
  const keyId = root.certificate.subjectKeyId ?? "";
  const pairs = keyId.toUpperCase().match(/../g)?.join(":") ?? "none";
  for (
    const wanted of [
      "verify OK",
      "Version 2 (0x1)",
      "Signature Algorithm: ecdsa-with-SHA256",
      "Issuer: CN=swarm-ca",
      "Last Update: Jan  1 00:00:00 2026 GMT",
      "Next Update: Jan  2 00:00:00 2026 GMT",
      pairs,
      "1767225600",
      "Serial Number: 40A1",
      "Serial Number: FF01",
      "Serial Number: 7F",
      "Serial Number: 80",
      "Revocation Date: Dec 31 23:00:00 2025 GMT",
      "Revocation Date: Jan  1 00:00:00 2060 GMT",
      "Superseded",
      "Cessation Of Operation",
    ]
  ) assertStringIncludes(text, wanted);
});

Deno.test("createCrl() leaves the list out when nothing is revoked", async () => {
  await using folder = await OpensslFolder.create();
  const root = await realRoot();
  const der = await listOf(root, { revoked: [] });
  const text = await opensslText(folder, { root, der });
  assertStringIncludes(text, "No Revoked Certificates");
  assertStringIncludes(text, "verify OK");
});

Deno.test("createCrl() writes what an independent library reads", async () => {
  const root = await realRoot();
  const serials = ["01", "80", "00f0", "7fff", "ff".repeat(20)];
  const der = await listOf(root, { revoked: serials.map((s) => revoked(s)) });
  const list = new x509.X509Crl(der);
  assertEquals(list.issuer, "CN=swarm-ca");
  assertEquals(list.thisUpdate.getTime(), NOW);
  assertEquals(list.nextUpdate?.getTime(), NOW + DAY);
  assertEquals(
    list.entries.map(({ serialNumber }) => BigInt(`0x${serialNumber}`)),
    serials.map((serial) => BigInt(`0x${serial}`)),
  );
  assertEquals(
    list.entries.map(({ reason }) => reason),
    serials.map(() => x509.X509CrlReason.superseded),
  );
  const publicKey = new x509.X509Certificate(root.certificate.der);
  assert(await list.verify({ publicKey }));
});

Deno.test("openssl verify -crl_check refuses exactly the revoked leaf", async () => {
  await using folder = await OpensslFolder.create();
  const root = await realRoot();
  const [good, bad] = [await realLeaf(root), await realLeaf(root)];
  // The beginning of the good one's number is another number
  const { serial } = good.certificate;
  const der = await listOf(root, {
    revoked: [serial.slice(0, -2), bad.certificate.serial].map((s) =>
      revoked(s)
    ),
  });
  await opensslText(folder, { root, der });
  await folder.writeCertificates("good.pem", [good.certificate.der]);
  await folder.writeCertificates("bad.pem", [bad.certificate.der]);
  const verify = (at: number, name: string) =>
    folder.try(
      `verify -attime ${
        at / SECOND
      } -crl_check -CRLfile list.pem -CAfile root.pem ${name}`,
    );
  assertStringIncludes((await verify(NOW, "good.pem")).stdout, "good.pem: OK");
  const refused = await verify(NOW, "bad.pem");
  assertFalse(refused.code === 0);
  assertStringIncludes(refused.stderr, "certificate revoked");
  const late = await verify(NOW + 2 * DAY, "good.pem");
  assertStringIncludes(late.stderr, "CRL has expired");
});

Deno.test("createCrl() pauses after each slice, and OpenSSL reads 50,000 entries", async () => {
  await using folder = await OpensslFolder.create();
  const root = await realRoot();
  const serials = Array.from({ length: 50_000 }, () => random.bytes(20));
  let pauses = 0;
  let most = 0;
  let taken = 0;
  function* entries(): Generator<RevokedCertificate> {
    for (const [i, serial] of serials.entries()) {
      most = Math.max(most, ++taken);
      yield revoked(toHex(serial), { revokedAt: NOW - i * SECOND });
    }
  }
  const der = await listOf(root, {
    revoked: entries(),
    pause: () => {
      pauses++;
      taken = 0;
      return Promise.resolve();
    },
  });
  // One more lies between the last slice and the signature
  assertEquals([pauses, most], [50_000 / CRL_SLICE + 1, CRL_SLICE]);
  const text = await opensslText(folder, { root, der });
  assertStringIncludes(text, "verify OK");
  const read = [...text.matchAll(/Serial Number: ([0-9A-F]+)/g)];
  assertEquals(
    read.map(([, hex = ""]) => BigInt(`0x${hex}`)),
    serials.map((serial) => BigInt(`0x${toHex(serial)}`)),
  );
});

Deno.test("encode() writes any entry as its elements one by one", () => {
  const writer = new CrlEntryWriter();
  const entry = fc.record({
    serial: fc.uint8Array({ minLength: 1, maxLength: 20 }).map(toHex),
    revokedAt: fc.oneof(
      fc.integer({ min: Date.UTC(1950) / SECOND, max: END / SECOND }),
      fc.constantFrom(Date.UTC(2050) / SECOND, Date.UTC(2050) / SECOND - 1),
      fc.constant(Date.UTC(9999, 11, 31, 23, 59, 59) / SECOND),
    ).map((seconds) => seconds * SECOND),
    reason: fc.constantFrom("superseded", "cessationOfOperation"),
  });
  fc.assert(fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
    const wanted = entries.map((each) => {
      const code = Uint8Array.of(each.reason === "superseded" ? 4 : 5);
      return sequence(
        integer(fromHex(each.serial)),
        time(each.revokedAt),
        sequence(
          sequence(oid("2.5.29.21"), octetString(element(0x0a, [code]))),
        ),
      );
    });
    assertEquals(
      element(TAG.sequence, [writer.encode(entries)]),
      sequence(...wanted),
    );
  }));
});

Deno.test("createCrl() refuses what no list can say", async () => {
  const root = await realRoot();
  const cases: readonly (readonly [
    RevokedCertificate,
    typeof RangeError | typeof SyntaxError,
  ])[] = [
    [revoked(""), RangeError],
    [revoked("01".repeat(21)), RangeError],
    [revoked("abc"), SyntaxError],
    [revoked("zz"), SyntaxError],
    [revoked("01", { revokedAt: NOW + 1 }), RangeError],
    [revoked("01", { revokedAt: NaN }), RangeError],
    [revoked("01", { revokedAt: Date.UTC(1949, 0, 1) }), RangeError],
    [revoked("01", { revokedAt: Date.UTC(10_000, 0, 1) }), RangeError],
  ];
  for (const [entry, kind] of cases) {
    await assertRejects(() => listOf(root, { revoked: [entry] }), kind);
  }
  await assertRejects(
    () => listOf(root, { revoked: [], number: -1 }),
    RangeError,
  );
  await assertRejects(
    () => listOf(root, { revoked: [], nextUpdate: NOW + 0.5 }),
    RangeError,
  );
});

Deno.test("createCrl() is signed by any kind of key, and names no key that it does not know", async () => {
  await using folder = await OpensslFolder.create();
  const root = await realRoot();
  const { subjectKeyId: _, ...anonymous } = root.certificate;
  await folder.run(
    "req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -subj /CN=swarm-ca -out rsa.pem",
  );
  const { der, signature } = await createCrl({
    issuer: anonymous,
    algorithm: "rsa-sha256",
    number: 1,
    thisUpdate: NOW,
    nextUpdate: NOW + DAY,
    revoked: [revoked("01")],
    pause: () => Promise.resolve(),
    sign: async (tbs) => {
      await Deno.writeFile(`${folder.path}/tbs`, tbs);
      await folder.run("dgst -sha256 -sign rsa.key -out signature tbs");
      return await Deno.readFile(`${folder.path}/signature`);
    },
  });
  assertEquals(der.slice(-signature.length), signature);
  await folder.write("list.pem", encodePem("X509 CRL", der));
  const text = await folder.run(
    "crl -in list.pem -noout -text -CAfile rsa.pem",
  );
  assertMatch(text, /verify OK/);
  assertFalse(text.includes("Authority Key Identifier"));
});
