import { assert, assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY } from "../../lib/base/time.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { verifyChain } from "../../lib/pki/chain.ts";
import { CROSS_MARK_OID, readCrossMark } from "../../lib/pki/cross_mark.ts";
import {
  crossSign,
  crossSignProblem,
  verifyCross,
  type Vouched,
} from "../../lib/pki/cross_sign.ts";
import { proveOffer, walkSuccession } from "../../lib/pki/succession.ts";
import {
  authority,
  extension,
  forge,
  forgeCa,
  type Holder,
  NOW,
  random,
  realCrypto,
  realLeaf,
  realRoot,
} from "./material.ts";
import { OpensslFolder } from "./openssl.ts";

const CLUSTER = "c".repeat(25);

async function vouch(
  issuer: Holder,
  root: Holder,
  change: {
    readonly generation?: number;
    readonly clusterId?: string;
    readonly successor?: boolean;
    readonly end?: number;
  } = {},
): Promise<Vouched> {
  const der = await crossSign(realCrypto, {
    root: root.certificate,
    generation: 2,
    clusterId: CLUSTER,
    successor: true,
    issuer: issuer.certificate,
    issuerKey: issuer.key.privateKey,
    random,
    now: NOW,
    end: NOW + 30 * DAY,
    ...change,
  });
  const cross = await readCertificate(realCrypto, der);
  return { root: root.certificate, cross };
}

Deno.test("crossSign() makes what OpenSSL accepts under both roots", async () => {
  await using folder = await OpensslFolder.create();
  const [old, next] = [await realRoot(1), await realRoot(2)];
  const { cross } = await vouch(old, next);
  const leaf = await realLeaf(next);
  await folder.writeCertificates("old.pem", [old.certificate.der]);
  await folder.writeCertificates("next.pem", [next.certificate.der]);
  await folder.writeCertificates("cross.pem", [cross.der]);
  await folder.writeCertificates("leaf.pem", [leaf.certificate.der]);
  const at = `-attime ${NOW / 1_000} -x509_strict -purpose sslclient`;
  await folder.run(
    `verify ${at} -CAfile old.pem -untrusted cross.pem leaf.pem`,
  );
  await folder.run(
    `verify ${at} -CAfile next.pem -untrusted cross.pem leaf.pem`,
  );
  await folder.run(`verify ${at} -CAfile next.pem leaf.pem`);
  const alone = await folder.try(`verify ${at} -CAfile old.pem leaf.pem`);
  assert(alone.code !== 0, "without the cross-signature");
  const text = await folder.run("x509 -in cross.pem -noout -text");
  assert(text.includes(`${CROSS_MARK_OID}: \n`), text);
  const verdict = await verifyChain(realCrypto, {
    presented: [leaf.certificate, cross],
    anchors: [old.certificate],
    usage: "clientAuth",
    at: NOW,
  });
  assert(verdict.ok);
});

Deno.test("crossSign() keeps name, key and key id, and ends with its signer", async () => {
  const [old, next] = [await realRoot(1), await realRoot(2)];
  const { cross } = await vouch(old, next, { end: Infinity });
  assertEquals(cross.subject.der, next.certificate.subject.der);
  assertEquals(cross.spki, next.certificate.spki);
  assertEquals(cross.subjectKeyId, next.certificate.subjectKeyId);
  assertEquals(cross.authorityKeyId, old.certificate.subjectKeyId);
  assertEquals(cross.notAfter, old.certificate.notAfter);
  assertEquals(cross.notBefore, NOW - DAY);
  assertEquals(readCrossMark(cross), {
    clusterId: CLUSTER,
    generation: 2,
    root: next.certificate.fingerprint,
    successor: true,
  });
  assertEquals(readCrossMark(next.certificate), undefined);
});

// W25: a key is known by what it is, not by the bytes of a file.
Deno.test("crossSign() refuses what would be no use", async () => {
  const [old, next] = [await realRoot(1), await realRoot(2)];
  const narrow = await forgeCa({ extensions: [authority(0)] });
  const leaf = await realLeaf(old);
  const cases: readonly [Holder, Holder, number, string][] = [
    [narrow, next, NOW + DAY, "allows no authority below it"],
    [old, await realRoot(1), NOW + DAY, "has the same name"],
    [old, leaf, NOW + DAY, "is not an authority's certificate"],
    [leaf, next, NOW + DAY, "is not an authority's certificate"],
    [old, next, NOW, "it would end at"],
  ];
  for (const [issuer, root, end, text] of cases) {
    await assertRejects(() => vouch(issuer, root, { end }), SwarmdError, text);
  }
  const twin = await forgeCa({ subject: "twin", key: old.key });
  const pair = { root: twin.certificate, issuer: old.certificate };
  assertEquals(crossSignProblem(pair)?.includes("the same key"), true);
});

Deno.test("verifyCross() believes exactly what a trusted root vouches for", async () => {
  const [old, next, other] = await Promise.all([1, 2, 3].map(realRoot));
  assert(old && next && other);
  const good = await vouch(old, next);
  const wanted = {
    clusterId: CLUSTER,
    issuer: old.certificate,
    above: 1,
    at: NOW,
    unverified: true,
  };
  assertEquals(await verifyCross(realCrypto, good, wanted), 2);
  const redated = await forgeCa({ double: next, notAfter: NOW + 900 * DAY });
  const unmarked = await forgeCa({ double: next, issuer: old });
  const { tbs } = good.cross;
  const broken = { ...good.cross, tbs: tbs.with(20, (tbs[20] ?? 0) ^ 1) };
  const running = await vouch(old, next, { successor: false });
  const cases: readonly [Vouched, Partial<typeof wanted>, string][] = [
    [good, { clusterId: "x" }, `in cluster "${CLUSTER}"`],
    [good, { above: 2 }, "of generation 2, want one above 2"],
    [good, { at: NOW + 31 * DAY }, "it is valid from"],
    [good, { issuer: other.certificate }, "vouches for it, want"],
    [{ ...good, root: other.certificate }, {}, "for another certificate"],
    // The same name and key, with dates of somebody else's choice
    [{ ...good, root: redated.certificate }, {}, "for another certificate"],
    [{ ...good, cross: unmarked.certificate }, {}, "does not say for what"],
    [{ ...good, cross: broken }, {}, "did not sign for it"],
    [running, {}, "its rotation had not ended"],
  ];
  for (const [offer, change, text] of cases) {
    const error = await assertRejects(
      () => verifyCross(realCrypto, offer, { ...wanted, ...change }),
      SwarmdError,
      text,
    );
    assertEquals(error.code, "root-mismatch");
  }
  const verified = { ...wanted, unverified: false };
  assertEquals(await verifyCross(realCrypto, running, verified), 2);
});

Deno.test("walkSuccession() follows links upwards only, from the own root", async () => {
  const roots = await Promise.all([1, 2, 3].map(realRoot));
  const [a, b, c] = roots;
  assert(a && b && c);
  const up = await vouch(a, b, { generation: 2 });
  const further = await vouch(b, c, { generation: 4 });
  const back = await vouch(c, a, { generation: 3 });
  const walk = {
    root: a.certificate,
    generation: 0,
    clusterId: CLUSTER,
    at: NOW,
  };
  const end = await walkSuccession(realCrypto, {
    ...walk,
    links: [up, further],
  });
  assertEquals(end, { root: c.certificate, generation: 4 });
  const still = await walkSuccession(realCrypto, { ...walk, links: [] });
  assertEquals(still, { root: a.certificate, generation: 0 });
  const refused: readonly [readonly Vouched[], string][] = [
    [[up, further, back], "want one above 4"],
    [[further], "vouches for it, want"],
    [Array(65).fill(up), "want at most 64"],
  ];
  for (const [links, text] of refused) {
    await assertRejects(
      () => walkSuccession(realCrypto, { ...walk, links }),
      SwarmdError,
      text,
    );
  }
});

Deno.test("proveOffer() wants every new root vouched for, one by one", async () => {
  const roots = await Promise.all([1, 2, 3].map(realRoot));
  const [a, b, c] = roots;
  assert(a && b && c);
  const second = await vouch(a, b, { generation: 2, successor: false });
  const third = await vouch(b, c, { generation: 3 });
  const base = { clusterId: CLUSTER, above: 1, at: NOW };
  const trusted = [a.certificate];
  const first = { root: a.certificate };
  const prove = (offered: readonly (Vouched | typeof first)[]) =>
    proveOffer(realCrypto, { ...base, trusted, roots: offered });
  assertEquals(await prove([first, second]), 2);
  assertEquals(await prove([second, third]), 3);
  assertEquals(await prove([first]), 1);
  for (const offered of [[third], [third, second], [{ root: b.certificate }]]) {
    await assertRejects(() => prove(offered), SwarmdError, "vouches for it");
  }
});

Deno.test("readCrossMark() refuses a malformed mark", async () => {
  for (const value of [[], [0x30, 0], [0x30, 3, 2, 1, 1]]) {
    const mark = extension(CROSS_MARK_OID, Uint8Array.from(value));
    const { certificate } = await forge({ extensions: [mark] });
    await assertRejects(
      () => Promise.resolve().then(() => readCrossMark(certificate)),
      SwarmdError,
      "Cannot read cross-signature",
    );
  }
});
