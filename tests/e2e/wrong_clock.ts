/**
 * The environment of a process whose wall clock is off, by Debian's faketime:
 * `+200d`, `-2d`, `+300`. Its monotonic clock is not touched, as when somebody
 * sets a real one.
 */
export async function clockOff(by: string): Promise<Record<string, string>> {
  return { ...await faketime(), FAKETIME: by };
}

/** The same, with the offset in a file that may change. */
export async function clockIn(file: string): Promise<Record<string, string>> {
  const fresh = { FAKETIME_NO_CACHE: "1" };
  return { ...await faketime(), FAKETIME_TIMESTAMP_FILE: file, ...fresh };
}

async function faketime(): Promise<Record<string, string>> {
  for await (const { name } of Deno.readDir("/usr/lib")) {
    const library = `/usr/lib/${name}/faketime/libfaketimeMT.so.1`;
    try {
      await Deno.stat(library);
    } catch {
      continue; // of another architecture, or something else
    }
    const monotonic = { DONT_FAKE_MONOTONIC: "1" };
    return { LD_PRELOAD: library, ...monotonic };
  }
  throw new Error("Cannot set a wrong clock: want Debian's package faketime");
}
