import { fromBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import { verifyChain } from "../pki/chain.ts";
import type { Crypto } from "../pki/crypto.ts";
import { checkIdentity } from "../pki/identity.ts";
import { isForeign } from "../pki/profile.ts";
import { type KnownRoot, proveOffer } from "../pki/succession.ts";
import type { BundleParams } from "../rpc/schemas.ts";
import { type HeldIdentity, trustDigests } from "./held_identity.ts";

/** A bundle that a manager offers, and to whom. */
export interface OfferCase {
  readonly offer: BundleParams;
  readonly held: HeldIdentity;
  /** What the manager presented: it has to be good under the new bundle, too. */
  readonly presented: readonly Certificate[];
  /** Highest generation that was ever adopted here; 0 for none. */
  readonly generation: number;
  /** A later root that the succession leads to from one that is trusted. */
  readonly successor?: KnownRoot;
  /** Wall clock, in milliseconds. */
  readonly now: number;
}

/** An identity with another bundle. */
export interface Adopted {
  readonly held: HeldIdentity;
  /** Highest generation that was ever adopted, this one included. */
  readonly generation: number;
}

/**
 * Judges a bundle that a verified manager offers. That it offers it is not
 * enough: a stolen manager key must not re-root a fleet. A root that is new
 * here needs a cross-signature by one that is not.
 *
 * @throws {SwarmdError} `root-mismatch` or `answer-refused`, naming what is wrong
 */
export async function judgeOffer(
  crypto: Crypto,
  offered: OfferCase,
): Promise<Adopted> {
  const roots = await readRoots(crypto, offered.offer);
  const generation = await proven(crypto, roots, offered);
  const { held, presented, now } = offered;
  const bundle = { roots: roots.map(({ root }) => root) };
  const identity = { ...held.identity, bundle };
  const { clusterId, nodeId, role } = held;
  await checkIdentity(crypto, {
    identity,
    clusterId,
    nodeId,
    roles: [role],
    now,
    code: "answer-refused",
    allowExpired: true,
  });
  const usage = "serverAuth" as const;
  const verdict = await verifyChain(crypto, {
    presented,
    anchors: bundle.roots,
    intermediates: [
      ...roots.flatMap(({ cross }) => cross ?? []),
      ...await readAll(crypto, offered.offer.intermediates ?? []),
    ],
    usage,
    at: now,
  });
  if (!verdict.ok) {
    throw refused(`the manager itself is not good under it: ${verdict.detail}`);
  }
  const trust = await trustDigests(crypto, bundle);
  return { held: { ...held, identity, trust }, generation };
}

/** This runtime shows no more of a server's chain than its leaf. */
async function readAll(
  crypto: Crypto,
  chain: readonly string[],
): Promise<Certificate[]> {
  return await Promise.all(
    chain.map((base64) => readCertificate(crypto, fromBase64(base64))),
  );
}

interface OfferedRoot {
  readonly root: Certificate;
  readonly cross?: Certificate;
  readonly generation: number;
}

async function readRoots(
  crypto: Crypto,
  { roots }: BundleParams,
): Promise<OfferedRoot[]> {
  const read = (base64: string) => readCertificate(crypto, fromBase64(base64));
  return await Promise.all(
    roots.map(async ({ certificate, cross, generation }) => ({
      generation,
      root: await read(certificate),
      ...(cross !== undefined && { cross: await read(cross) }),
    })),
  );
}

/** @returns the highest generation that was ever adopted, this one included */
async function proven(
  crypto: Crypto,
  roots: readonly OfferedRoot[],
  { held, generation, successor, now: at }: OfferCase,
): Promise<number> {
  const { identity: { bundle }, clusterId } = held;
  const own = new Set(bundle.roots.map(({ fingerprint }) => fingerprint));
  const strange = roots.filter(({ root }) => !own.has(root.fingerprint));
  if (strange.length === 0) return generation;
  const isUnproven = strange.every(({ cross }) => !cross);
  // What a generation is said to be counts for nothing: a number out of reach
  // would keep this node from every root to come.
  if (isUnproven && bundle.roots.every(isForeign)) return generation;
  const trusted = [...bundle.roots, ...(successor ? [successor.root] : [])];
  const above = successor?.generation ?? 0;
  const proof = { trusted, roots: strange, clusterId, above, at };
  const proved = await proveOffer(crypto, proof);
  if (proved >= generation) return proved;
  throw refused(
    `its newest root is of generation ${proved}, and one of ${generation} was adopted before`,
  );
}

function refused(why: string): SwarmdError {
  return new SwarmdError(
    "root-mismatch",
    `Cannot adopt the trust bundle: ${why}`,
  );
}
