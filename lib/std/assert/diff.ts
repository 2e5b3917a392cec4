/**
 * Above this many line pairs the texts are shown one after the other: the
 * table of the comparison would take longer to make than to read.
 */
const MAX_PAIRS = 4_000_000;

/**
 * Shows the difference of two values line by line: `-` only in the first, `+`
 * only in the second.
 */
export function describeDifference(actual: unknown, expected: unknown): string {
  const lines = diffLines(linesOf(actual), linesOf(expected));
  return ["    [Diff] - Actual / + Expected", "", ...lines, ""].join("\n");
}

/** A multi-line text is compared by its lines, everything else as printed. */
function linesOf(value: unknown): string[] {
  const text = typeof value === "string" && value.includes("\n")
    ? value
    : Deno.inspect(value, {
      compact: false,
      depth: Infinity,
      iterableLimit: Infinity,
      sorted: true,
      strAbbreviateSize: Infinity,
      trailingComma: true,
    });
  return text.split("\n");
}

function diffLines(a: readonly string[], b: readonly string[]): string[] {
  if (a.length * b.length > MAX_PAIRS) {
    return [...a.map((line) => `-   ${line}`), ...b.map((l) => `+   ${l}`)];
  }
  const common = commonLengths(a, b);
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`    ${a[i++]}`);
      j++;
    } else if (
      j >= b.length ||
      (i < a.length && at(common, i + 1, j) >= at(common, i, j + 1))
    ) {
      lines.push(`-   ${a[i++]}`);
    } else {
      lines.push(`+   ${b[j++]}`);
    }
  }
  return lines;
}

/** For each pair of suffixes, the length of their longest common sequence. */
function commonLengths(
  a: readonly string[],
  b: readonly string[],
): Uint32Array[] {
  const rows = Array.from(
    { length: a.length + 1 },
    () => new Uint32Array(b.length + 1),
  );
  for (let i = a.length - 1; i >= 0; i--) {
    const row = rows[i];
    for (let j = b.length - 1; row && j >= 0; j--) {
      row[j] = a[i] === b[j]
        ? at(rows, i + 1, j + 1) + 1
        : Math.max(at(rows, i + 1, j), at(rows, i, j + 1));
    }
  }
  return rows;
}

function at(rows: readonly Uint32Array[], i: number, j: number): number {
  return rows[i]?.[j] ?? 0;
}
