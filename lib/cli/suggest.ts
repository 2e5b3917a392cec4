/**
 * The candidate that was probably meant, or `undefined` when none is near: at
 * most one mistake in three characters, and never a whole word apart. Upper and
 * lower case are the same.
 */
export function closest(
  word: string,
  candidates: Iterable<string>,
): string | undefined {
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const longer = Math.max(word.length, candidate.length);
    const distance = editDistance(
      word.toLowerCase(),
      candidate.toLowerCase(),
    );
    if (distance > Math.ceil(longer / 3) || distance >= longer) continue;
    if (!best || distance < best.distance) best = { candidate, distance };
  }
  return best?.candidate;
}

/**
 * How many characters must be inserted, deleted, replaced, or swapped with
 * their neighbour, to make one text of the other (optimal string alignment).
 */
function editDistance(from: string, to: string): number {
  let twoBefore: number[] = [];
  let before = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row[j] = Math.min(
        (before[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (before[j - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (twoBefore[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    twoBefore = before;
    before = row;
  }
  return before[to.length] ?? 0;
}
