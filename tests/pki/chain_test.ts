import { assert, assertEquals, assertFalse } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import { DAY, SECOND } from "../../lib/base/time.ts";
import type { Certificate } from "../../lib/pki/certificate.ts";
import {
  type ChainReason,
  type ChainRequest,
  verifyChain,
} from "../../lib/pki/chain.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import { sequence } from "../../lib/pki/der.ts";
import { OID } from "../../lib/pki/oids.ts";
import {
  authority,
  authorityKey,
  extension,
  forge,
  forgeCa,
  type Holder,
  keyUsage,
  NOW,
  purposes,
  realCrypto,
  realLeaf,
  realRoot,
  subjectKey,
} from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

/** Judges a chain of holders at {@linkcode NOW}, as a client's. */
function judge(
  presented: readonly Holder[],
  anchors: readonly Holder[],
  change: Partial<ChainRequest> & { crypto?: Crypto } = {},
) {
  const certificates = (holders: readonly Holder[]) =>
    holders.map((holder) => holder.certificate);
  return verifyChain(change.crypto ?? realCrypto, {
    presented: certificates(presented),
    anchors: certificates(anchors),
    usage: "clientAuth",
    at: NOW,
    ...change,
  });
}

async function assertRefused(
  verdict: ReturnType<typeof judge>,
  reason: ChainReason | readonly [ChainReason, what: string],
): Promise<string> {
  const [want, what] = typeof reason === "string" ? [reason, reason] : reason;
  const found = await verdict;
  assert(!found.ok, what);
  assertEquals(found.reason, want, `${what}: ${found.detail}`);
  const datesOnly = /expired|not-yet-valid/.test(want);
  assertEquals(found.provenIssuer, datesOnly, what);
  return found.detail;
}

async function assertPath(
  verdict: ReturnType<typeof judge>,
  path: readonly Holder[],
): Promise<void> {
  const found = await verdict;
  assert(found.ok, found.ok ? "" : found.detail);
  const prints = (certificates: readonly Certificate[]) =>
    certificates.map((certificate) => certificate.fingerprint);
  assertEquals(
    prints(found.path),
    prints(path.map((holder) => holder.certificate)),
  );
  assertEquals(
    found.validUntil,
    Math.min(...found.path.map((certificate) => certificate.notAfter)),
  );
}

const root = await forgeCa({ subject: "root" });
const middle = await forgeCa({ subject: "middle", issuer: root });
const leaf = await forge({ subject: "leaf", issuer: middle });
const direct = await forge({ subject: "direct", issuer: root });

// ---- Paths that hold ----

Deno.test("verifyChain() finds the path in whatever order it was presented", async () => {
  const other = await forgeCa({ subject: "other" });
  await assertPath(judge([direct], [root]), [direct, root]);
  await assertPath(judge([leaf, middle], [root]), [leaf, middle, root]);
  await assertPath(judge([leaf, root, other, middle], [root]), [
    leaf,
    middle,
    root,
  ]);
  await assertPath(judge([leaf, middle, middle], [other, root]), [
    leaf,
    middle,
    root,
  ]);
});

Deno.test("verifyChain() takes the shortest way to an anchor", async () => {
  await assertPath(judge([leaf, middle], [root, middle]), [leaf, middle]);
});

Deno.test("verifyChain() completes paths with the verifier's own certificates", async () => {
  await assertRefused(judge([leaf], [root]), "untrusted");
  const intermediates = [middle.certificate];
  await assertPath(judge([leaf], [root], { intermediates }), [
    leaf,
    middle,
    root,
  ]);
});

Deno.test("verifyChain() follows a cross-signed root from either side", async () => {
  const [old, young] = [await realRoot(1), await realRoot(2)];
  const cross = await crossSign(young, old);
  const node = await realLeaf(young);
  await assertPath(judge([node, cross], [old]), [node, cross, old]);
  await assertPath(judge([node, cross], [young]), [node, young]);
  await assertPath(judge([node], [old, young]), [node, young]);
  await assertRefused(judge([node], [old]), "untrusted");
});

/** A certificate for the key and name of one root, by another. */
function crossSign(double: Holder, issuer: Holder): Promise<Holder> {
  return forge({
    double,
    issuer,
    extensions: [
      authority(),
      subjectKey(double.certificate.subjectKeyId ?? ""),
      authorityKey(issuer.certificate.subjectKeyId ?? ""),
    ],
  });
}

Deno.test("verifyChain() takes another way when the first has an expired anchor", async () => {
  const past = { notAfter: NOW - SECOND };
  const ended = await forgeCa({ subject: "twice", ...past });
  const renewed = await forgeCa({ subject: "twice", key: ended.key });
  const node = await forge({ issuer: ended });
  await assertPath(judge([node], [ended, renewed]), [node, renewed]);
});

Deno.test("verifyChain() counts the first and the last moment as valid", async () => {
  const node = await forge({
    issuer: root,
    notBefore: NOW,
    notAfter: NOW + SECOND,
  });
  await assertPath(judge([node], [root]), [node, root]);
  await assertPath(judge([node], [root], { at: NOW + SECOND }), [node, root]);
  await assertRefused(judge([node], [root], { at: NOW - 1 }), "not-yet-valid");
  await assertRefused(
    judge([node], [root], { at: NOW + SECOND + 1 }),
    "expired",
  );
});

// ---- Leaves that are refused ----

Deno.test("verifyChain() refuses leaves that are no node's", async () => {
  const unknown = extension("1.2.3.4", sequence(), { critical: true });
  const client = purposes("clientAuth");
  const table: [what: string, extensions: Bytes[], reason: ChainReason][] = [
    ["an authority", [authority(), client], "is-ca"],
    ["no purpose", [keyUsage(0)], "usage"],
    ["a server's purpose", [purposes("serverAuth")], "usage"],
    ["any purpose", [purposes("2.5.29.37.0")], "usage"],
    ["no signatures", [client, keyUsage(2)], "usage"],
    ["an unknown constraint", [client, unknown], "unknown-critical"],
  ];
  for (const [what, extensions, reason] of table) {
    const node = await forge({ issuer: root, extensions });
    await assertRefused(judge([node], [root]), [reason, what]);
  }
  await assertRefused(judge([root], [root]), "is-ca");
});

Deno.test("verifyChain() judges the purpose that it is asked for", async () => {
  const server = await forge({
    issuer: root,
    extensions: [purposes("serverAuth")],
  });
  await assertPath(judge([server], [root], { usage: "serverAuth" }), [
    server,
    root,
  ]);
  await assertRefused(
    judge([direct], [root], { usage: "serverAuth" }),
    "usage",
  );
});

Deno.test("verifyChain() refuses a forged version 1 leaf by its version", async () => {
  const thief = await forge({ subject: "thief" });
  const forged = await forge({
    version: 1,
    issuer: thief,
    issuerName: root.certificate.subject.der,
  });
  await assertRefused(judge([forged], [root]), "version");
  const signedByRoot = await forge({ version: 1, issuer: root });
  await assertRefused(judge([signedByRoot], [root]), "version");
});

// ---- Issuers that are refused ----

Deno.test("verifyChain() refuses another authority of the same name", async () => {
  const posing = await forgeCa({ subject: "root" });
  const node = await forge({ issuer: posing });
  await assertRefused(judge([node], [root]), "bad-signature");
  await assertRefused(judge([node, posing], [root]), "bad-signature");
  const foreign = await realLeaf(await realRoot());
  await assertRefused(judge([foreign], [await realRoot()]), "untrusted");
});

Deno.test("verifyChain() refuses what no anchor stands behind", async () => {
  const own = await forge({ subject: "self-made" });
  await assertRefused(judge([own], [root]), "untrusted");
  await assertRefused(judge([own, own], [root]), "untrusted");
  await assertRefused(judge([leaf, middle], []), "untrusted");
  await assertRefused(judge([], [root]), "empty");
});

Deno.test("verifyChain() refuses a node's certificate as an issuer", async () => {
  const stolen = await forge({ subject: "stolen", issuer: root });
  const minted = await forge({ issuer: stolen });
  await assertRefused(judge([minted, stolen], [root]), "not-a-ca");
});

Deno.test("verifyChain() refuses issuers that may not issue", async () => {
  const unknown = extension("1.2.3.4", sequence(), { critical: true });
  const names = extension(OID.nameConstraints, sequence());
  const table: [what: string, extensions: Bytes[], reason: ChainReason][] = [
    ["no CA flag", [keyUsage(5)], "not-a-ca"],
    ["no keyCertSign", [authority(), keyUsage(6)], "not-a-ca"],
    ["unknown constraint", [authority(), unknown], "unknown-critical"],
    ["name constraints", [authority(), names], "unknown-critical"],
    ["purposes of others", [authority(), purposes("serverAuth")], "usage"],
  ];
  for (const [what, extensions, reason] of table) {
    const between = await forge({
      subject: "between",
      issuer: root,
      extensions,
    });
    const node = await forge({ issuer: between });
    await assertRefused(judge([node, between], [root]), [reason, what]);
    const alone = await forge({ subject: "alone", extensions });
    const under = await forge({ issuer: alone });
    await assertRefused(judge([under], [alone]), [
      reason,
      `${what}, as a root`,
    ]);
  }
  const old = await forgeCa({ subject: "old", issuer: root, version: 1 });
  const node = await forge({ issuer: old });
  await assertRefused(judge([node, old], [root]), "version");
  await assertRefused(judge([node], [old]), "version");
});

Deno.test("verifyChain() takes issuers whose purposes include the one asked for", async () => {
  for (const purpose of ["clientAuth", "2.5.29.37.0"]) {
    const extensions = [authority(), keyUsage(5), purposes(purpose)];
    const between = await forge({ subject: "b", issuer: root, extensions });
    const node = await forge({ issuer: between });
    await assertPath(judge([node, between], [root]), [node, between, root]);
  }
});

Deno.test("verifyChain() honours path lengths, self-issued certificates aside", async () => {
  const short = await forgeCa({ subject: "short", extensions: [authority(0)] });
  const node = await forge({ issuer: short });
  await assertPath(judge([node], [short]), [node, short]);
  const self = await forgeCa({ subject: "short", issuer: short });
  const under = await forge({ issuer: self });
  await assertPath(judge([under, self], [short]), [under, self, short]);
  const below = await forgeCa({ subject: "below", issuer: short });
  const deep = await forge({ issuer: below });
  await assertRefused(judge([deep, below], [short]), "path-length");
});

Deno.test("verifyChain() compares key identifiers where both are given", async () => {
  const ids = { subjectKey: subjectKey("aa"), other: authorityKey("bb") };
  const ca = await forgeCa({
    subject: "id",
    extensions: [authority(), ids.subjectKey],
  });
  const node = await forge({
    issuer: ca,
    extensions: [purposes("clientAuth"), ids.other],
  });
  await assertRefused(judge([node], [ca]), "untrusted");
  const plain = await forge({ issuer: ca });
  await assertPath(judge([plain], [ca]), [plain, ca]);
});

Deno.test("verifyChain() refuses a certificate that was changed", async () => {
  const { certificate, key } = direct;
  const tbs = certificate.tbs.slice();
  tbs[tbs.length - 1] = (tbs.at(-1) ?? 0) ^ 1;
  const changed = { certificate: { ...certificate, tbs }, key };
  await assertRefused(judge([changed], [root]), "bad-signature");
});

// ---- Dates ----

Deno.test("verifyChain() speaks of dates only where everything else holds", async () => {
  const past = { notBefore: NOW - 3 * DAY, notAfter: NOW - 2 * DAY };
  const future = { notBefore: NOW + DAY, notAfter: NOW + 2 * DAY };
  const ended = await forge({ issuer: root, ...past });
  const early = await forge({ issuer: root, ...future });
  const detail = await assertRefused(judge([ended], [root]), "expired");
  assert(detail.includes("2025-12-30T00:00:00Z"), detail);
  assert(detail.includes("2026-01-01T00:00:00Z"), detail);
  await assertRefused(judge([early], [root]), "not-yet-valid");

  const oldRoot = await forgeCa({ subject: "r", ...past });
  const newRoot = await forgeCa({ subject: "r", ...future });
  for (
    const [issuer, reason] of [[oldRoot, "issuer-expired"], [
      newRoot,
      "issuer-not-yet-valid",
    ]] as const
  ) {
    const node = await forge({ issuer });
    await assertRefused(judge([node], [issuer]), reason);
  }
  const oldMiddle = await forgeCa({ subject: "m", issuer: root, ...past });
  const node = await forge({ issuer: oldMiddle });
  await assertRefused(judge([node, oldMiddle], [root]), "issuer-expired");

  const posing = await forgeCa({ subject: "root" });
  const forged = await forge({ issuer: posing, ...past });
  await assertRefused(judge([forged], [root]), "bad-signature");
  const unrooted = await forge({ subject: "x", ...past });
  await assertRefused(judge([unrooted], [root]), "untrusted");
});

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

Deno.test("verifyChain() gives up after 16 signature checks", async () => {
  let checks = 0;
  const crypto = counting(() => checks++);
  const posing: Holder[] = [];
  for (let i = 0; i < 20; i++) posing.push(await forgeCa({ subject: "same" }));
  const node = await forge({ issuer: await forgeCa({ subject: "same" }) });
  await assertRefused(judge([node], posing, { crypto }), "bad-signature");
  assertEquals(checks, 16);
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
