/** Where the runtime finds its cache, for processes that get nothing else. */
export const CACHE: Readonly<Record<string, string>> = Object.fromEntries(
  ["HOME", "DENO_DIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }),
);
