import { type Bytes, concat, fromUtf8, utf8 } from "../../lib/base/bytes.ts";
import type { SeededRandom } from "../fakes/random.ts";

/** Values at which lengths and counts go wrong. */
const EDGES = [0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff];

/** A few changes of what was good: other bytes, cuts, repeats, and pieces. */
export function mutated(
  bytes: Bytes,
  { random, pieces = [] }: {
    readonly random: SeededRandom;
    /** What may be put in. */
    readonly pieces?: readonly string[];
  },
): Bytes {
  let changed = bytes.slice();
  for (let i = random.integer(4); i > 0; i--) {
    const at = random.integer(changed.length + 1);
    const [head, tail] = [changed.slice(0, at), changed.slice(at)];
    const piece = pieces[random.integer(pieces.length || 1)] ?? "";
    const edge = EDGES[random.integer(EDGES.length)] ?? 0;
    const kinds = [
      () => concat(head, random.bytes(1), tail.slice(1)),
      () => concat(head, Uint8Array.of(edge), tail.slice(1)),
      () => concat(head, tail.slice(1 + random.integer(8))),
      () => concat(head, changed.slice(random.integer(at + 1))),
      () => concat(head, utf8(piece), tail),
      () => head,
    ];
    // A cut at any place leaves little to look at: seldom.
    const kind = random.integer(20) === 0 ? 5 : random.integer(5);
    changed = kinds[kind]?.() ?? changed;
  }
  return changed;
}

/** The same for texts; what is no UTF-8 any more comes as replacements. */
export function mutatedText(
  text: string,
  options: Parameters<typeof mutated>[1],
): string {
  const bytes = mutated(utf8(text), options);
  try {
    return fromUtf8(bytes);
  } catch {
    return new TextDecoder().decode(bytes);
  }
}
