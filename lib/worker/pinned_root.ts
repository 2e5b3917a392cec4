import { fromBase64, toHex } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { readCertificate } from "../pki/certificate.ts";
import { readCrossMark } from "../pki/cross_mark.ts";
import type { Crypto } from "../pki/crypto.ts";
import { rootDigest } from "../pki/root_digest.ts";
import { type KnownRoot, walkSuccession } from "../pki/succession.ts";
import type { Result } from "../rpc/methods.ts";
import { readLinks } from "./succession.ts";

/** What a join token's root leads to. */
export interface PinnedRoot {
  /** The root that is to be trusted from now on. */
  readonly end: KnownRoot;
  /** Cluster that the way was made for; absent when there is no way to go. */
  readonly clusterId?: string;
}

/** An answer to `ca.root`, and what it is held against. */
export interface PinCase {
  readonly answer: Result<"ca.root">;
  /** As the token says. */
  readonly digest: Uint8Array;
  /** Wall clock, in milliseconds. */
  readonly at: number;
}

/**
 * Follows an answer to `ca.root` that came over a connection which proves
 * nothing: the first root is the one of the token's digest, and each later one
 * is vouched for by the one before. For which cluster, is what the manager has
 * to prove next.
 *
 * @throws {SwarmdError} `root-mismatch` when it is not so
 */
export async function followPin(
  crypto: Crypto,
  { answer, digest, at }: PinCase,
): Promise<PinnedRoot> {
  const der = fromBase64(answer.certificate);
  if (toHex(await rootDigest(crypto, der)) !== toHex(digest)) {
    throw new SwarmdError("root-mismatch", "The root has another digest");
  }
  const own = { root: await readCertificate(crypto, der), generation: 0 };
  const links = await readLinks(crypto, answer.links);
  const [first] = links;
  if (!first) return { end: own };
  const clusterId = readCrossMark(first.cross)?.clusterId ?? "";
  const walk = { ...own, links, clusterId, at };
  return { end: await walkSuccession(crypto, walk), clusterId };
}
