import { type Bytes, toHex, utf8 } from "../base/bytes.ts";
import type { AuditRecord } from "./audit.ts";

/** What the first entry of a log names as the hash of the one before. */
export const GENESIS = "0".repeat(64);

/** A place in the chain: an entry, and the hash that it must have. */
export interface ChainPoint {
  readonly sequence: number;
  /** SHA-256 of {@linkcode canonicalEntry}, lower-case hex. */
  readonly hash: string;
}

/** A point that is known from elsewhere, and who knows it. */
export interface Anchor extends ChainPoint {
  /** For people, such as `the signed head`. */
  readonly source: string;
}

/** Where a log stops being what was written. */
export interface ChainBreak {
  /** The first entry that is not as it was, or is not there. */
  readonly sequence: number;
  /** What differs, in one sentence. */
  readonly why: string;
}

/**
 * The bytes of an entry that its hash is made of: JSON without white space,
 * the fields in order of their names by UTF-16 code units, texts and numbers
 * as ECMAScript writes them (RFC 8785, for flat objects). How the store or a
 * file writes an entry does not matter, what it says does.
 */
export function canonicalEntry(entry: AuditRecord): Bytes {
  // With a list of names, JSON.stringify writes the fields in its order.
  return utf8(JSON.stringify(entry, Object.keys(entry).sort()));
}

/** What a {@linkcode ChainWalk} works with. */
export interface WalkParts {
  readonly sha256: (data: Bytes) => Promise<Bytes>;
  /** What must lie on the way. */
  readonly anchors?: readonly Anchor[];
}

/**
 * Follows the chain from the first entry on, page by page, and remembers no
 * more than one hash. Entries of before there was a chain may lead the log.
 */
export class ChainWalk {
  readonly #sha256: WalkParts["sha256"];
  readonly #anchors = new Map<number, Anchor[]>();
  #hash = GENESIS;
  #checked = 0;
  #from: number | undefined;

  constructor({ sha256, anchors = [] }: WalkParts) {
    this.#sha256 = sha256;
    for (const anchor of anchors) {
      const here = this.#anchors.get(anchor.sequence) ?? [];
      this.#anchors.set(anchor.sequence, [...here, anchor]);
    }
  }

  /** Number of the last entry that was looked at. */
  get checked(): number {
    return this.#checked;
  }

  /** The first entry with a link; `undefined` when none has one. */
  get from(): number | undefined {
    return this.#from;
  }

  /** The last entry that was looked at, and its hash. */
  get end(): ChainPoint {
    return { sequence: this.#checked, hash: this.#hash };
  }

  /** Looks at the entries that follow. After a break, nothing more counts. */
  async read(
    entries: readonly AuditRecord[],
  ): Promise<ChainBreak | undefined> {
    const hashes = await Promise.all(
      entries.map((entry) => this.#sha256(canonicalEntry(entry))),
    );
    for (const [i, entry] of entries.entries()) {
      const broken = this.#linkOf(entry) ??
        this.#step({
          sequence: entry.sequence,
          hash: toHex(hashes[i] ?? NONE),
        });
      if (broken) return broken;
    }
    return undefined;
  }

  /** The log has ended: whatever is known to lie further on was cut off. */
  finish(): ChainBreak | undefined {
    const beyond = [...this.#anchors.values()].flat()
      .filter(({ sequence }) => sequence > this.#checked)
      .toSorted((a, b) => a.sequence - b.sequence);
    const [first] = beyond;
    return first && {
      sequence: this.#checked + 1,
      why:
        `the log ends after entry ${this.#checked}, ${first.source} names entry ${first.sequence}`,
    };
  }

  #linkOf({ sequence, previous }: AuditRecord): ChainBreak | undefined {
    const wanted = this.#checked + 1;
    if (sequence !== wanted) {
      const why = `entry ${sequence} stands where entry ${wanted} should`;
      return { sequence: wanted, why };
    }
    if (previous === undefined) {
      if (this.#from === undefined) return undefined;
      return { sequence, why: `entry ${sequence} has no link` };
    }
    this.#from ??= sequence;
    if (previous === this.#hash) return undefined;
    return sequence === 1
      ? { sequence, why: "entry 1 names an entry before it" }
      : {
        sequence: sequence - 1,
        why: `entry ${
          sequence - 1
        } has the hash ${this.#hash}, entry ${sequence} names ${previous}`,
      };
  }

  #step(point: ChainPoint): ChainBreak | undefined {
    this.#hash = point.hash;
    this.#checked = point.sequence;
    const other = this.#anchors.get(point.sequence)
      ?.find(({ hash }) => hash !== point.hash);
    return other && {
      sequence: point.sequence,
      why:
        `entry ${point.sequence} has the hash ${point.hash}, ${other.source} names ${other.hash}`,
    };
  }
}

const NONE: Bytes = new Uint8Array();
