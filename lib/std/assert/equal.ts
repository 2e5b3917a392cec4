/**
 * Deep equality: the same prototype and the same content. `0` equals `-0`, and
 * `NaN` equals itself.
 *
 * @throws {TypeError} when a `WeakMap` or `WeakSet` would have to be looked into
 */
export function equal(a: unknown, b: unknown): boolean {
  return compare([a, b], new Map());
}

type Pair<T> = readonly [T, T];
/** Pairs that are being compared, so that cycles end. */
type Seen = ReadonlyMap<unknown, unknown>;

function compare([a, b]: Pair<unknown>, seen: Seen): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b) || prototypeOf(a) !== prototypeOf(b)) {
    return false;
  }
  return seen.get(a) === b || sameContent([a, b], new Map(seen).set(a, b));
}

function sameContent([a, b]: Pair<object>, seen: Seen): boolean {
  if (a instanceof Date && b instanceof Date) {
    return Object.is(a.getTime(), b.getTime());
  }
  if (a instanceof RegExp || a instanceof URL || a instanceof URLSearchParams) {
    return String(a) === String(b);
  }
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError(
      `Cannot compare ${a.constructor.name}: no way to look in`,
    );
  }
  const bytes = bytesOf(b);
  if (bytes) {
    const others = bytesOf(a);
    return bytes.length === others?.length &&
      bytes.every((byte, i) => byte === others[i]);
  }
  if (a instanceof Set && b instanceof Set) return sameMembers([a, b], seen);
  if (a instanceof Map && b instanceof Map) return sameMembers([a, b], seen);
  return sameProperties([a, b], seen);
}

/** Members may be objects, so each looks for an unused equal one. */
function sameMembers(
  [a, b]: Pair<Set<unknown> | Map<unknown, unknown>>,
  seen: Seen,
): boolean {
  if (a.size !== b.size) return false;
  const unused = new Map<unknown, unknown>(b.entries());
  for (const [key, value] of a.entries()) {
    const match = matchingKey({ key, value, among: unused }, seen);
    if (!match) return false;
    unused.delete(match.key);
  }
  return true;
}

function matchingKey(
  wanted: {
    readonly key: unknown;
    readonly value: unknown;
    readonly among: ReadonlyMap<unknown, unknown>;
  },
  seen: Seen,
): { readonly key: unknown } | undefined {
  const { key, value, among } = wanted;
  const fits = (candidate: unknown) =>
    compare([key, candidate], seen) &&
    compare([value, among.get(candidate)], seen);
  if (among.has(key) && fits(key)) return { key };
  if (!isObject(key)) return undefined;
  for (const candidate of among.keys()) {
    if (fits(candidate)) return { key: candidate };
  }
  return undefined;
}

function sameProperties([a, b]: Pair<object>, seen: Seen): boolean {
  const keys = keysOf(a);
  const others = keysOf(b);
  if (keys.size !== others.size) return false;
  for (const key of keys) {
    if (!others.has(key)) return false;
    const pair = [Reflect.get(a, key), Reflect.get(b, key)] as const;
    if (!compare(pair, seen)) return false;
  }
  return true;
}

/**
 * What is enumerable for plain objects and lists. For others everything, up
 * the prototypes: an error's message is not enumerable, and a class may show
 * its private state by getters only.
 */
function keysOf(value: object): Set<string | symbol> {
  const plain = prototypeOf(value) === Object.prototype || Array.isArray(value);
  if (plain) {
    const isShown = Object.prototype.propertyIsEnumerable;
    return new Set(
      Reflect.ownKeys(value).filter((key) => isShown.call(value, key)),
    );
  }
  const keys = new Set<string | symbol>();
  for (let at = value; at !== Object.prototype; at = prototypeOf(at)) {
    for (const key of Reflect.ownKeys(at)) keys.add(key);
  }
  return keys;
}

function bytesOf(value: object): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return value instanceof ArrayBuffer ? new Uint8Array(value) : undefined;
}

/** An object without a prototype counts as a plain one. */
function prototypeOf(value: object): object {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
