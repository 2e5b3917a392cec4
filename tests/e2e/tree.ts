import { toHex } from "../../lib/base/bytes.ts";

/**
 * Everything about a folder that a careless program could change: names,
 * kinds, modes, owners, times of change, and what is in the files.
 */
export async function treeOf(path: string): Promise<string[]> {
  const lines: string[] = [];
  await look(path, { name: ".", lines });
  return lines.sort();
}

/** Permission bits, such as `0600`. */
export async function modeOf(path: string): Promise<string> {
  const { mode } = await Deno.lstat(path);
  return ((mode ?? 0) & 0o7777).toString(8).padStart(4, "0");
}

/** Copies some entries of a folder, as `cp -a` does. */
export async function copyEntries(
  names: readonly string[],
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  await Deno.mkdir(to, { recursive: true, mode: 0o700 });
  if (names.length === 0) return;
  const { success, stderr } = await new Deno.Command("cp", {
    args: ["-a", ...names.map((name) => `${from}/${name}`), to],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** The names in a folder, sorted. */
export async function namesIn(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(path)) names.push(name);
  return names.sort();
}

/** SHA-256 of a file, lower-case hex. */
export async function fileHash(path: string): Promise<string> {
  const digest = await crypto.subtle.digest(
    "SHA-256",
    await Deno.readFile(path),
  );
  return toHex(new Uint8Array(digest));
}

async function look(
  path: string,
  at: { readonly name: string; readonly lines: string[] },
): Promise<void> {
  const found = await Deno.lstat(path);
  const { name, lines } = at;
  const facts = [name, await modeOf(path), found.uid, found.mtime?.getTime()];
  if (found.isSymlink) {
    lines.push([...facts, "->", await Deno.readLink(path)].join(" "));
  } else if (found.isDirectory) {
    lines.push([...facts, "folder"].join(" "));
    for (const each of await namesIn(path)) {
      await look(`${path}/${each}`, { name: `${name}/${each}`, lines });
    }
  } else if (found.isFile) {
    lines.push([...facts, await fileHash(path)].join(" "));
  } else lines.push([...facts, "other"].join(" "));
}
