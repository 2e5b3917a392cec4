import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { DrillReader } from "../../lib/cluster/drill.ts";

/** Everything that a reader may know, kept without regard to memory. */
class NaiveReader {
  readonly #streams: { stream: string; numbers: number[] }[] = [];
  readonly #gaps: number[] = [];
  #lastAt: number | undefined;

  read({ stream, number }: { stream: string; number: number }, at: number) {
    if (this.#streams.at(-1)?.stream !== stream) {
      this.#streams.push({ stream, numbers: [] });
      this.#lastAt = undefined;
    }
    this.#streams.at(-1)?.numbers.push(number);
    if (this.#lastAt !== undefined) this.#gaps.push(at - this.#lastAt);
    this.#lastAt = at;
  }

  get reading() {
    const parts = this.#streams.map(({ numbers }) => count(numbers));
    const sum = (key: "lost" | "duplicated" | "reordered") =>
      parts.reduce((total, part) => total + part[key], 0);
    return {
      received: this.#streams.reduce((n, s) => n + s.numbers.length, 0),
      lost: sum("lost"),
      duplicated: sum("duplicated"),
      reordered: sum("reordered"),
      longestGapMs: Math.max(0, ...this.#gaps),
    };
  }
}

/** Of one stream that began to count at 1. */
function count(numbers: readonly number[]) {
  const seen = new Set<number>();
  let duplicated = 0;
  let reordered = 0;
  for (const [i, number] of numbers.entries()) {
    const highest = Math.max(0, ...numbers.slice(0, i));
    if (seen.has(number) || number < 1) duplicated++;
    else if (number < highest) reordered++;
    seen.add(number);
  }
  const highest = Math.max(0, ...numbers);
  let lost = 0;
  for (let n = 1; n < highest; n++) if (!seen.has(n)) lost++;
  return { lost, duplicated, reordered };
}

Deno.test("DrillReader counts like a reader that remembers everything", () => {
  const anyRead = fc.record({
    stream: fc.constantFrom("a", "a", "a", "a", "b"),
    number: fc.integer({ min: 0, max: 30 }),
    pause: fc.integer({ min: 0, max: 1_000 }),
  });
  fc.assert(fc.property(fc.array(anyRead, { maxLength: 80 }), (script) => {
    const reader = new DrillReader();
    const naive = new NaiveReader();
    let now = 0;
    for (const { stream, number, pause } of script) {
      now += pause;
      reader.read({ stream, number }, now);
      naive.read({ stream, number }, now);
      assertEquals(reader.reading, naive.reading);
    }
  }));
});

Deno.test("DrillReader finds nothing wrong with numbers in their order", () => {
  const reader = new DrillReader();
  for (let n = 1; n <= 1_000; n++) {
    reader.read({ stream: "a", number: n }, n * 100);
  }
  assertEquals(reader.reading, {
    received: 1_000,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    longestGapMs: 100,
  });
});

Deno.test("DrillReader keeps what was lost when another process writes on", () => {
  const reader = new DrillReader();
  reader.read({ stream: "a", number: 3 }, 0);
  reader.read({ stream: "b", number: 1 }, 60_000);
  const { lost, longestGapMs } = reader.reading;
  // The time in which nobody wrote is nobody's gap.
  assertEquals([lost, longestGapMs], [2, 0]);
});

Deno.test("DrillReader counts a number that lies about itself in bounded time", () => {
  const reader = new DrillReader();
  reader.read({ stream: "a", number: Number.MAX_SAFE_INTEGER }, 0);
  assertEquals(reader.reading.lost, Number.MAX_SAFE_INTEGER - 1);
  reader.read({ stream: "a", number: Number.MAX_SAFE_INTEGER - 1 }, 0);
  assertEquals(reader.reading.reordered, 1);
});
