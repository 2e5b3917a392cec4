/** A list in parts of a size. */
export function* chunks<T>(
  items: readonly T[],
  size: number,
): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) {
    yield items.slice(at, at + size);
  }
}

/** How a long list is gone through. */
export interface SliceOptions {
  /** Items of a slice: what takes no more than a few milliseconds. */
  readonly size: number;
  /** Gives others a turn; called between two slices. */
  readonly pause: () => Promise<unknown>;
}

/** A list in parts, so that who goes through it does not hold up others. */
export async function* slices<T>(
  items: readonly T[],
  { size, pause }: SliceOptions,
): AsyncGenerator<readonly T[]> {
  let isFirst = true;
  for (const chunk of chunks(items, size)) {
    if (!isFirst) await pause();
    isFirst = false;
    yield chunk;
  }
}
