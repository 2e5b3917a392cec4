import { equalBytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Certificate } from "./certificate.ts";
import { verifyCross, type Vouched } from "./cross_sign.ts";
import type { Crypto } from "./crypto.ts";
import { formatName } from "./names.ts";

/**
 * Longest succession. An unverified peer chooses how long it is, and each step
 * costs a signature check.
 */
export const MAX_SUCCESSION = 64;

/** A root that is trusted, and its generation. */
export interface KnownRoot {
  readonly root: Certificate;
  /** 0 when it is not known. */
  readonly generation: number;
}

/** A way from a root that is trusted to a later one. */
export interface SuccessionWalk extends KnownRoot {
  /** In order; the first vouched for by `root`. */
  readonly links: readonly Vouched[];
  readonly clusterId: string;
  /** Wall clock, in milliseconds. */
  readonly at: number;
}

/**
 * Walks from a root that is trusted to the newest one that it leads to. Every
 * link is checked from the own root on, so that nobody needs to be believed
 * who hands them out.
 *
 * @returns the last root; the own one when there are no links
 * @throws {SwarmdError} `root-mismatch` when a link does not hold, does not lead
 * upwards, or there are more than 64; `bad-message` for a malformed mark
 */
export async function walkSuccession(
  crypto: Crypto,
  walk: SuccessionWalk,
): Promise<KnownRoot> {
  const { links, clusterId, at } = walk;
  if (links.length > MAX_SUCCESSION) {
    throw new SwarmdError(
      "root-mismatch",
      `Cannot follow a succession of ${links.length} roots: want at most ${MAX_SUCCESSION}`,
    );
  }
  let known: KnownRoot = walk;
  for (const link of links) {
    const generation = await verifyCross(crypto, link, {
      clusterId,
      issuer: known.root,
      above: known.generation,
      at,
      unverified: true,
    });
    known = { root: link.root, generation };
  }
  return { root: known.root, generation: known.generation };
}

/** Roots that a verified manager asks a node to trust. */
export interface Offer {
  /** What the node trusts now. */
  readonly trusted: readonly Certificate[];
  /** In order; `cross` may be signed by a root that stands before it. */
  readonly roots: readonly {
    readonly root: Certificate;
    readonly cross?: Certificate;
  }[];
  readonly clusterId: string;
  /** Highest generation that the node trusts; 0 when it is not known. */
  readonly above: number;
  /** Wall clock, in milliseconds. */
  readonly at: number;
}

/**
 * Proves every root of an offer that is not trusted yet: a manager's word is
 * not enough, or a stolen manager's key could put a fleet under another root.
 *
 * @returns the highest generation that was proved, or `above`
 * @throws {SwarmdError} `root-mismatch` when nothing that is trusted vouches for
 * one of them; the succession may lead there
 */
export async function proveOffer(
  crypto: Crypto,
  { trusted, roots, clusterId, above, at }: Offer,
): Promise<number> {
  const known = [...trusted];
  let highest = above;
  for (const { root, cross } of roots) {
    if (known.some((each) => each.fingerprint === root.fingerprint)) continue;
    const issuer = known.find((each) =>
      cross && equalBytes(each.subject.der, cross.issuer.der)
    );
    if (!cross || !issuer) {
      throw new SwarmdError(
        "root-mismatch",
        `Cannot trust root "${
          formatName(root.subject)
        }": no root that is trusted vouches for it`,
      );
    }
    highest = await verifyCross(crypto, { root, cross }, {
      clusterId,
      issuer,
      above: highest,
      at,
      unverified: false,
    });
    known.push(root);
  }
  return highest;
}
