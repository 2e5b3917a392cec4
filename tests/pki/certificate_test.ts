import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, fromHex } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  readCertificate,
  readCertificates,
} from "../../lib/pki/certificate.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import {
  bitString,
  explicit,
  implicit,
  integer,
  octetString,
  oid,
  sequence,
  time,
} from "../../lib/pki/der.ts";
import { encodeName } from "../../lib/pki/names.ts";
import { OID } from "../../lib/pki/oids.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { rewriteDer } from "./der_tree.ts";
import {
  authority,
  extension,
  forge,
  leafProfile,
  NOW,
  purposes,
  realCrypto,
  realLeaf,
  realRoot,
} from "./material.ts";

const ECDSA = sequence(oid(OID.ecdsaSha256));
const { spki: SPKI } = await leafProfile();
const NAME = encodeName([[OID.commonName, "x"]]);

/** The parts of a certificate, each to be replaced by something broken. */
const PARTS = {
  version: explicit(0, integer(2)),
  serial: integer(1),
  algorithm: ECDSA,
  issuer: NAME,
  validity: sequence(time(NOW), time(NOW)),
  subject: NAME,
  spki: SPKI,
  extensions: explicit(3, sequence(authority())),
  outer: ECDSA,
  signature: bitString(new Uint8Array(70)),
};

function assemble(change: Partial<Record<keyof typeof PARTS, Uint8Array>>) {
  const { outer, signature, ...body } = { ...PARTS, ...change };
  return sequence(sequence(...Object.values(body)), outer, signature);
}

function withExtensions(...list: Bytes[]): Bytes {
  return assemble({ extensions: explicit(3, sequence(...list)) });
}

const NONE = new Uint8Array();

Deno.test("readCertificate() reads what the product writes", async () => {
  const root = await realRoot(2);
  const { certificate, profile } = await realLeaf(root, {
    role: "manager",
    dnsNames: ["m.example"],
    ipAddresses: ["10.0.0.5", "2001:db8:0:0::5"],
  });
  assertEquals(certificate.notBefore, profile.notBefore);
  assertEquals(certificate.notAfter, profile.notAfter);
  assertEquals(certificate.spki, profile.spki);
  assertEquals(certificate.ipAddresses, ["10.0.0.5", "2001:db8::5"]);
  assertEquals(certificate.issuer.der, root.certificate.subject.der);
  assertEquals(certificate.authorityKeyId, root.certificate.subjectKeyId);
  assertEquals(rewriteDer(certificate.der), certificate.der);
});

Deno.test("readCertificate() keeps its own copy of the bytes", async () => {
  const { certificate } = await forge({});
  const given = certificate.der.slice();
  const read = await readCertificate(realCrypto, given);
  given.fill(0);
  assertEquals(read.der, certificate.der);
});

Deno.test("readCertificate() reads again only what it has not read lately", async () => {
  let hashed = 0;
  const counting = () => {
    const sha256 = (data: Bytes) => (hashed++, realCrypto.sha256(data));
    return Object.assign(Object.create(realCrypto), { sha256 }) as Crypto;
  };
  const one = counting();
  const { der } = (await forge({})).certificate;
  const first = await readCertificate(one, der);
  assertEquals(await readCertificate(one, der.slice()), first);
  assertEquals(hashed, 1);
  const changed = assemble({ serial: integer(0x7f) });
  assertEquals((await readCertificate(one, changed)).serial, "7f");
  // Of other cryptography it knows nothing.
  await readCertificate(counting(), der);
  assertEquals(hashed, 3);
  for (let i = 0; i < 200; i++) {
    await readCertificate(one, assemble({ serial: integer(1_000 + i) }));
  }
  await readCertificate(one, der);
  assertEquals(hashed, 3 + 200 + 1);
});

Deno.test("readCertificate() shows serial numbers without a sign byte", async () => {
  const table: [serial: Uint8Array, hex: string][] = [
    [integer(0), "00"],
    [integer(0x80), "80"],
    [integer(fromHex("0102")), "0102"],
    [integer(new Uint8Array(20).fill(0xff)), "ff".repeat(20)],
  ];
  for (const [serial, hex] of table) {
    const read = await readCertificate(realCrypto, assemble({ serial }));
    assertEquals(read.serial, hex);
  }
});

const twice = purposes("clientAuth");
const value = (type: string, bytes: Uint8Array) =>
  withExtensions(extension(type, new Uint8Array(bytes)));
const san = (tag: number, hex: string) =>
  value(OID.subjectAltName, sequence(implicit(tag, fromHex(hex))));

const MALFORMED: [what: string, der: Bytes][] = [
  ["empty input", NONE],
  ["32 KiB and more", concat(assemble({}), new Uint8Array(33_000))],
  ["bytes behind", concat(assemble({}), Uint8Array.of(0))],
  ["explicit version 1", assemble({ version: explicit(0, integer(0)) })],
  ["version 4", assemble({ version: explicit(0, integer(3)) })],
  ["version 1 with extensions", assemble({ version: NONE })],
  ["negative serial", assemble({ serial: fromHex("0201ff") })],
  [
    "21 bytes of serial",
    assemble({ serial: integer(new Uint8Array(21).fill(1)) }),
  ],
  ["empty issuer", assemble({ issuer: sequence() })],
  ["two algorithms", assemble({ outer: sequence(oid(OID.ecdsaSha384)) })],
  [
    "ECDSA with NULL",
    assemble({ outer: sequence(oid(OID.ecdsaSha256), fromHex("0500")) }),
  ],
  ["half a date", assemble({ validity: sequence(time(NOW)) })],
  ["odd signature", assemble({ signature: bitString(Uint8Array.of(0), 1) })],
  ["compressed point", assemble({ spki: point(2, 33) })],
  ["hybrid point", assemble({ spki: point(6, 65) })],
  ["extensions without contents", withExtensions()],
  ["the same extension twice", withExtensions(twice, twice)],
  [
    "unique id of 1988",
    assemble({ extensions: implicit(1, fromHex("0000")) }),
  ],
  [
    "critical FALSE",
    withExtensions(sequence(oid("1.2.3"), fromHex("010100"), octetString())),
  ],
  ["CA FALSE", value(OID.basicConstraints, sequence(fromHex("010100")))],
  [
    "path length without CA",
    value(OID.basicConstraints, sequence(integer(0))),
  ],
  ["no key usage", value(OID.keyUsage, bitString(NONE))],
  ["no purpose", value(OID.extendedKeyUsage, sequence())],
  ["no alternative name", value(OID.subjectAltName, sequence())],
  ["host name with NUL", san(2, "610062")],
  ["host name of UTF-8", san(2, "c3a4")],
  ["empty host name", san(2, "")],
  ["IP address of 5 bytes", san(7, "0102030405")],
  [
    "key id behind",
    value(OID.subjectKeyIdentifier, concat(octetString(), octetString())),
  ],
  ["key id of the wrong type", value(OID.subjectKeyIdentifier, integer(1))],
  [
    "unknown part of an issuer key id",
    value(OID.authorityKeyIdentifier, sequence(implicit(5, NONE))),
  ],
];

Deno.test("readCertificate() refuses malformed certificates", async () => {
  for (const [what, der] of MALFORMED) {
    const error = await assertRejects(
      () => readCertificate(realCrypto, der),
      SwarmdError,
      "Cannot read certificate: ",
      what,
    );
    assertEquals(error.code, "bad-message", what);
  }
  // The frame around all these is sound
  await readCertificate(realCrypto, assemble({}));
});

/** The key in another form of its point (SEC 1 §2.3.3). */
function point(form: number, length: number): Bytes {
  const bytes = SPKI.slice(-65);
  bytes[0] = form + ((bytes[64] ?? 0) & 1);
  const algorithm = sequence(oid(OID.ecPublicKey), oid(OID.p256));
  return sequence(algorithm, bitString(bytes.subarray(0, length)));
}

Deno.test("readCertificates() bounds their number and names the format", async () => {
  const pem = encodePem("CERTIFICATE", (await forge({})).certificate.der);
  assertEquals((await readCertificates(realCrypto, pem + pem)).length, 2);
  for (const text of ["", "x", pem.repeat(65), pem.slice(0, -10)]) {
    const error = await assertRejects(
      () => readCertificates(realCrypto, text),
      SwarmdError,
    );
    assertEquals(error.code, "bad-message");
  }
});

Deno.test("readCertificate() gives any changed certificate back byte for byte or refuses it", async () => {
  const leaf = (await realLeaf(await realRoot(), {
    role: "manager",
    dnsNames: ["m.example"],
    ipAddresses: ["10.0.0.5"],
  })).certificate.der;
  const change = fc.record({
    at: fc.nat(leaf.length - 1),
    kind: fc.constantFrom("set", "drop", "insert", "cut"),
    byte: fc.nat(255),
  });
  let accepted = 0;
  const property = fc.asyncProperty(
    fc.array(change, { minLength: 1, maxLength: 3 }),
    async (changes) => {
      const der = Uint8Array.from(changes.reduce(applyChange, [...leaf]));
      try {
        const read = await readCertificate(realCrypto, der);
        assertEquals(read.der, der);
        assertEquals(rewriteDer(read.der), der);
        accepted++;
      } catch (error) {
        if (!(error instanceof SwarmdError)) throw error;
        assertEquals(error.code, "bad-message");
      }
    },
  );
  await fc.assert(property, { numRuns: 1_500 });
  assert(accepted > 50, `only ${accepted} changes were read at all`);
});

interface Change {
  readonly at: number;
  readonly kind: string;
  readonly byte: number;
}

function applyChange(bytes: number[], { at, kind, byte }: Change): number[] {
  if (kind === "cut") return bytes.slice(0, at);
  const removed = kind === "insert" ? 0 : 1;
  const added = kind === "drop" ? [] : [byte];
  return bytes.toSpliced(at, removed, ...added);
}
