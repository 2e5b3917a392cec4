/**
 * Runs a test with a folder of its own, given by its real path.
 *
 * @param dir where to make it; such as `/dev/shm`, where fsync costs nothing
 */
export async function withFolder(
  body: (folder: string) => Promise<void>,
  { dir }: { readonly dir?: string } = {},
): Promise<void> {
  const made = await Deno.makeTempDir(dir === undefined ? {} : { dir });
  const folder = await Deno.realPath(made);
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The names in a folder, sorted. */
export async function namesIn(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.map((entry) => entry.name).sort();
}

/** The permission bits of a file, as four octal digits. */
export async function modeOf(path: string): Promise<string> {
  const { mode } = await Deno.stat(path);
  return ((mode ?? 0) & 0o7777).toString(8).padStart(4, "0");
}

/** The paths of all temporary files and folders that a folder holds. */
export async function leftoversIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.name.startsWith(".swarmd-tmp-")) found.push(path);
    else if (entry.isDirectory) found.push(...await leftoversIn(path));
  }
  return found;
}
