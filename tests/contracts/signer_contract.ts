import { assert, assertEquals } from "@std/assert";
import { newId } from "../../lib/base/random.ts";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { verifyChain } from "../../lib/pki/chain.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import {
  checkLeaf,
  type LeafProfile,
  newSerial,
} from "../../lib/pki/profile.ts";
import type { Signer } from "../../lib/pki/signer.ts";
import { random, realCrypto } from "../pki/material.ts";

/** A signer for one test; ends with its block. */
export interface SignerFixture extends AsyncDisposable {
  readonly signer: Signer;
}

/** What every {@linkcode Signer} must do. */
export function testSigner(
  name: string,
  open: () => Promise<SignerFixture>,
): void {
  for (const role of ["worker", "manager"] as const) {
    Deno.test(`${name} signs what the profile of a ${role} says`, async () => {
      await using fixture = await open();
      await issueOne(fixture.signer, await newProfile({ role }));
    });
  }

  Deno.test(`${name} signs many at once, each for its own key`, async () => {
    await using fixture = await open();
    const orders = await Promise.all(
      Array.from({ length: 32 }, () => newProfile({ role: "worker" })),
    );
    const serials = await Promise.all(
      orders.map((order) => issueOne(fixture.signer, order)),
    );
    assertEquals(new Set(serials).size, 32);
  });

  Deno.test(`${name} never sends a root after a leaf`, async () => {
    await using fixture = await open();
    const { issuer, intermediates } = fixture.signer;
    for (const each of [...intermediates, issuer]) assert(each.isCa);
    for (const { subject, issuer } of intermediates) {
      assert(subject.der.toHex() !== issuer.der.toHex());
    }
  });
}

type Order = Awaited<ReturnType<typeof newProfile>>;

async function newProfile({ role }: Pick<LeafProfile, "role">) {
  const key = await realCrypto.generateKey();
  const now = Math.floor(Date.now() / SECOND) * SECOND;
  const names = role === "manager"
    ? { dnsNames: ["m.example"], ipAddresses: ["192.0.2.1", "2001:db8::1"] }
    : { dnsNames: [], ipAddresses: [] };
  const profile: LeafProfile = {
    clusterId: newId(random),
    nodeId: newId(random),
    role,
    spki: key.spki,
    serial: newSerial(random),
    notBefore: now - HOUR,
    notAfter: now + 90 * DAY,
    ...names,
  };
  return { profile, csr: await createCsr(realCrypto, key) };
}

/** Its serial number. */
async function issueOne(
  signer: Signer,
  { profile, csr }: Order,
): Promise<string> {
  const { issuer, intermediates } = signer;
  const der = await signer.issue(profile, csr);
  const leaf = await readCertificate(realCrypto, der);
  const { serial: _, notBefore: __, notAfter: ___, ...fields } = profile;
  assertEquals(checkLeaf(leaf, { ...fields, roles: [profile.role] }), []);
  for (const usage of ["clientAuth", "serverAuth"] as const) {
    const verdict = await verifyChain(realCrypto, {
      presented: [leaf, ...intermediates],
      anchors: [issuer],
      usage,
      at: Date.now(),
    });
    assert(verdict.ok, JSON.stringify(verdict));
  }
  return leaf.serial;
}
