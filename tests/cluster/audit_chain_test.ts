import { assertEquals, assertFalse, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { equalBytes, fromUtf8, toHex } from "../../lib/base/bytes.ts";
import type { AuditEntry, AuditRecord } from "../../lib/cluster/audit.ts";
import {
  type Anchor,
  canonicalEntry,
  type ChainBreak,
  ChainWalk,
  GENESIS,
} from "../../lib/cluster/audit_chain.ts";
import { sha256 } from "../fakes/sha256.ts";

const LENGTH = 12;
const HASH = "ab".repeat(32);

Deno.test("canonicalEntry() writes the fields in order of their names, without white space", () => {
  const text = fromUtf8(canonicalEntry({
    sequence: 7,
    at: 1.5e21,
    action: "issued",
    by: "10.0.0.9",
    why: 'a "quoted"\n\u{1F600}\ud800',
    previous: HASH,
  }));
  assertEquals(
    text,
    `{"action":"issued","at":1.5e+21,"by":"10.0.0.9","previous":"${HASH}",` +
      '"sequence":7,"why":"a \\"quoted\\"\\n\u{1F600}\\ud800"}',
  );
  // Made with `printf %s '...' | sha256sum`.
  const plain = {
    sequence: 1,
    at: 2,
    action: "issued",
    by: "operator",
  } as const;
  assertEquals(
    toHex(sha256(canonicalEntry({ ...plain, previous: GENESIS }))),
    VECTOR,
  );
});

Deno.test("canonicalEntry() is the same after any way through JSON, and different for any other entry", () => {
  fc.assert(fc.property(entries(), entries(), (one, other) => {
    const bytes = canonicalEntry(one);
    const shuffled = Object.fromEntries(Object.entries(one).reverse());
    assertEquals(canonicalEntry(JSON.parse(JSON.stringify(shuffled))), bytes);
    assertEquals(canonicalEntry(JSON.parse(fromUtf8(bytes))), bytes);
    const same = JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
    assertEquals(equalBytes(canonicalEntry(other), bytes), same);
  }));
});

Deno.test("ChainWalk finds nothing in a log as it was written, in pages of any size", async () => {
  const log = chained(LENGTH);
  for (const size of [1, 3, LENGTH, LENGTH + 1]) {
    const walk = new ChainWalk({ sha256: hashed, anchors: heads(log) });
    assertEquals(await walkIn(walk, { log, size: size }), undefined);
    assertEquals([walk.from, walk.checked], [1, LENGTH]);
    assertEquals(walk.end, pointOf(log, LENGTH));
  }
});

Deno.test("ChainWalk accepts an empty log, and one that nobody vouched for", async () => {
  assertEquals(await broken([]), undefined);
  assertEquals(await broken(chained(1)), undefined);
});

/** What somebody does to the file, and the first entry that shows it. */
const TAMPERED: readonly (readonly [
  string,
  (log: AuditRecord[]) => AuditRecord[],
  number,
])[] = [
  ["one entry changed", (log) => change(log, { sequence: 5, by: "nobody" }), 5],
  [
    "the first entry changed",
    (log) => change(log, { sequence: 1, by: "nobody" }),
    1,
  ],
  ["a field added", (log) => change(log, { sequence: 5, serial: "00" }), 5],
  ["a time changed", (log) => change(log, { sequence: 5, at: 0 }), 5],
  ["a link changed", (log) => change(log, { sequence: 5, previous: HASH }), 4],
  ["an entry deleted", (log) => log.filter((_, i) => i !== 4), 5],
  ["the first entry deleted", (log) => log.slice(1), 1],
  [
    "an entry deleted and the others numbered anew",
    (log) => renumbered(log.filter((_, i) => i !== 4)),
    4,
  ],
  ["an entry inserted", (log) =>
    renumbered(log.toSpliced(4, 0, {
      ...log[4] as AuditRecord,
      by: "nobody",
    })), 5],
  ["two entries swapped", (log) => swapped(log, [4, 5]), 5],
  [
    "two entries swapped, with their numbers",
    (log) => renumbered(swapped(log, [4, 5])),
    4,
  ],
  ["a link removed", (log) => unlinkedAt(log, 6), 6],
  [
    "the links at the beginning removed",
    (log) =>
      log.map((entry, i) => i < 5 ? unlinkedAt(log, i + 1)[i] ?? entry : entry),
    5,
  ],
];

for (const [what, tamper, at] of TAMPERED) {
  Deno.test(`ChainWalk finds ${what}, without any head`, async () => {
    const found = await broken(tamper(chained(LENGTH)));
    assertEquals(found?.sequence, at, found?.why);
  });
}

Deno.test("ChainWalk finds a tail that was cut off, by a head", async () => {
  const log = chained(LENGTH);
  const cut = log.slice(0, 7);
  assertEquals(await broken(cut), undefined);
  assertEquals(await broken(cut, heads(log, LENGTH, 9)), {
    sequence: 8,
    why: "the log ends after entry 7, head 9 names entry 9",
  });
  assertEquals((await broken([], heads(log, 3)))?.sequence, 1);
});

Deno.test("ChainWalk finds a tail that was written anew, hashes and all, by a head", async () => {
  const log = chained(LENGTH);
  const anew = chained(LENGTH, (i) => i === 8 ? { by: "nobody" } : {});
  assertEquals(await broken(anew), undefined);
  // A head of before says nothing of what came after it.
  assertEquals(await broken(anew, heads(log, 7)), undefined);
  const found = await broken(anew, heads(log, LENGTH, 10));
  assertEquals(found?.sequence, 10);
  // And the last entry, which no other one names.
  const last = change(log, { sequence: LENGTH, by: "nobody" });
  assertEquals(await broken(last), undefined);
  assertEquals((await broken(last, heads(log)))?.sequence, LENGTH);
});

Deno.test("ChainWalk accepts entries of before the chain, at the beginning only", async () => {
  const old = chained(4).map(({ previous: _, ...entry }) => entry);
  const log = linked([...old, ...plain(4, LENGTH)]);
  const walk = new ChainWalk({ sha256: hashed });
  assertEquals(await walkIn(walk, { log, size: 5 }), undefined);
  assertEquals(walk.from, 5);
  const none = new ChainWalk({ sha256: hashed });
  assertEquals(await walkIn(none, { log: old, size: 5 }), undefined);
  assertEquals(none.from, undefined);
  // The last one of before is named by the first link.
  const found = await broken(change(log, { sequence: 4, by: "nobody" }));
  assertEquals(found?.sequence, 4);
});

Deno.test("ChainWalk finds any change of any entry of a log whose end is signed", async () => {
  const log = chained(LENGTH);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: LENGTH }),
      entries(),
      async (at, other) => {
        const before = log[at - 1] as AuditRecord;
        const after = { ...other, sequence: at };
        if (equalBytes(canonicalEntry(before), canonicalEntry(after))) return;
        const found = await broken(log.with(at - 1, after), heads(log));
        assertNotEquals(found, undefined);
        assertFalse((found?.sequence ?? 0) > at);
      },
    ),
    { numRuns: 200 },
  );
});

const VECTOR =
  "c51bb62eada427717c34900de0f9169a5ff6e2e599871b932579bad5649067b2";

const hashed = (data: Parameters<typeof sha256>[0]) =>
  Promise.resolve(sha256(data));

function plain(from: number, to: number): Omit<AuditRecord, "previous">[] {
  return Array.from({ length: to - from }, (_, i) => ({
    sequence: from + i + 1,
    at: 1_000 * (from + i),
    action: "issued",
    by: "operator",
    why: `entry ${from + i + 1}`,
  }));
}

/** Links what has no link, after the first that stays as it is. */
function linked(entries: readonly AuditRecord[], from = 4): AuditRecord[] {
  const log: AuditRecord[] = [];
  for (const [i, entry] of entries.entries()) {
    const before = log[i - 1];
    const previous = before ? hashOf(before) : GENESIS;
    log.push(i < from ? entry : { ...entry, previous });
  }
  return log;
}

function chained(
  length: number,
  changes: (sequence: number) => Partial<AuditEntry> = () => ({}),
): AuditRecord[] {
  const entries = plain(0, length)
    .map((entry) => ({ ...entry, ...changes(entry.sequence) }));
  return linked(entries, 0);
}

function hashOf(entry: AuditRecord): string {
  return toHex(sha256(canonicalEntry(entry)));
}

function pointOf(log: readonly AuditRecord[], sequence: number) {
  return { sequence, hash: hashOf(log[sequence - 1] as AuditRecord) };
}

function heads(
  log: readonly AuditRecord[],
  ...at: readonly number[]
): Anchor[] {
  return (at.length > 0 ? at : [log.length]).map((sequence) => ({
    ...pointOf(log, sequence),
    source: `head ${sequence}`,
  }));
}

async function walkIn(
  walk: ChainWalk,
  { log, size }: {
    readonly log: readonly AuditRecord[];
    readonly size: number;
  },
): Promise<ChainBreak | undefined> {
  for (let at = 0; at < log.length; at += size) {
    const found = await walk.read(log.slice(at, at + size));
    if (found) return found;
  }
  return walk.finish();
}

async function broken(
  log: readonly AuditRecord[],
  anchors: readonly Anchor[] = [],
): Promise<ChainBreak | undefined> {
  return await walkIn(new ChainWalk({ sha256: hashed, anchors }), {
    log,
    size: 5,
  });
}

function change(
  log: readonly AuditRecord[],
  fields: Partial<AuditRecord> & Pick<AuditRecord, "sequence">,
): AuditRecord[] {
  const at = fields.sequence - 1;
  return log.with(at, { ...log[at] as AuditRecord, ...fields });
}

function unlinkedAt(log: readonly AuditRecord[], at: number): AuditRecord[] {
  const { previous: _, ...entry } = log[at - 1] as AuditRecord;
  return log.with(at - 1, entry);
}

function renumbered(log: readonly AuditRecord[]): AuditRecord[] {
  return log.map((entry, i) => ({ ...entry, sequence: i + 1 }));
}

function swapped(
  log: readonly AuditRecord[],
  [a, b]: readonly [number, number],
) {
  const [one, two] = [log[a] as AuditRecord, log[b] as AuditRecord];
  return log.with(a, two).with(b, one);
}

function entries(): fc.Arbitrary<AuditRecord> {
  const anyText = fc.string({ unit: "binary", maxLength: 8 });
  return fc.record({
    sequence: fc.integer({ min: 1, max: 20 }),
    at: fc.oneof(fc.nat(), fc.double({ noNaN: true, noDefaultInfinity: true })),
    action: fc.constantFrom("issued", "removed"),
    by: anyText,
    node: anyText,
    serial: anyText,
    why: anyText,
    previous: fc.constantFrom(GENESIS, HASH),
  }, { requiredKeys: ["sequence", "at", "action", "by"] });
}

function sorted(entry: AuditRecord): unknown {
  return Object.entries(entry).toSorted(([a], [b]) => a < b ? -1 : 1);
}
