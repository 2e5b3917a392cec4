/** A figure, what is wanted of it, and what the machine itself can do. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** At least, or at most. */
  readonly target?: { readonly least: number } | { readonly most: number };
  /** Of the machine or its runtime, in the same run and unit. */
  readonly limit?: { readonly what: string; readonly value: number };
  /** What dominates, or how it was measured. */
  readonly note: string;
  /** Processes that wanted a core at its end, as the system counts them. */
  readonly load: number;
}

/** A {@linkcode Figure} of this moment. */
export function figure(facts: Omit<Figure, "load">): Figure {
  return { ...facts, load: Deno.loadavg()[0] ?? NaN };
}

/** Whether a figure is what is wanted; `undefined` where nothing is. */
export function isMet({ value, target }: Figure): boolean | undefined {
  if (!target) return undefined;
  return "least" in target ? value >= target.least : value <= target.most;
}

/** The middle one, or the upper of two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** Two significant digits at least, and no fraction of a large number. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 10) return String(Math.round(value));
  return String(Number(value.toPrecision(2)));
}

const HEAD = ["figure", "value", "want", "machine", "ratio", "", "load"];

/** The table, each row followed by its note. */
export function table(figures: readonly Figure[]): string[] {
  const rows = figures.map(cells);
  const widths = HEAD.map((head, i) =>
    Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0))
  );
  const line = (row: readonly string[]) =>
    row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)
    ).join("  ");
  return [
    line(HEAD),
    ...figures.flatMap(({ note }, i) => [line(rows[i] ?? []), `    ${note}`]),
  ];
}

function cells(each: Figure): string[] {
  const { name, value, unit, limit, load } = each;
  const met = isMet(each);
  return [
    name,
    `${short(value)} ${unit}`,
    wanted(each),
    limit ? `${short(limit.value)} ${limit.what}` : "",
    limit ? short(value / limit.value) : "",
    met === undefined ? "" : met ? "met" : "MISSED",
    short(load),
  ];
}

function wanted({ target }: Figure): string {
  if (!target) return "";
  return "least" in target ? `>= ${target.least}` : `<= ${target.most}`;
}
