import { assert } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import { DAY, SECOND } from "../../lib/base/time.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import type { ChainReason } from "../../lib/pki/chain.ts";
import { sequence } from "../../lib/pki/der.ts";
import { OID } from "../../lib/pki/oids.ts";
import { assertPath, assertRefused, crossSign, judge } from "./chain_judge.ts";
import {
  authority,
  authorityKey,
  extension,
  forge,
  forgeCa,
  keyUsage,
  NOW,
  purposes,
  realCrypto,
  realLeaf,
  realRoot,
  subjectKey,
} from "./material.ts";

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
  const certificate = await readCertificate(realCrypto, root.certificate.der);
  const copy = { certificate, key: root.key };
  await assertPath(judge([direct, copy], [root]), [direct, root]);
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
