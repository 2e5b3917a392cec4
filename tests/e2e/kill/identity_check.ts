import { assert, assertEquals } from "@std/assert";

/**
 * The serial of the certificate that is in use in a state directory, or
 * `undefined` when there is none, as OpenSSL sees it.
 *
 * @throws when key, certificate and root do not belong together
 */
export async function serialInUse(
  stateDir: string,
): Promise<string | undefined> {
  const link = `${stateDir}/certificates`;
  if (!await exists(link)) return undefined;
  return await serialOf(await Deno.realPath(link));
}

/** The serials of all whole identities that a state directory holds. */
export async function serialsKept(stateDir: string): Promise<string[]> {
  const serials: string[] = [];
  const folder = `${stateDir}/identities`;
  for await (const { name } of Deno.readDir(folder)) {
    const serial = await serialOf(`${folder}/${name}`).catch(() => {});
    if (serial !== undefined) serials.push(serial);
  }
  return serials;
}

/** Asserts that a state directory holds nothing half-done or given up. */
export async function assertTidy(stateDir: string): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(stateDir));
  const folders = await Array.fromAsync(Deno.readDir(`${stateDir}/identities`));
  assertEquals(folders.length, 1, `${folders.map((each) => each.name)}`);
  for (const { name } of [...names, ...folders]) {
    assert(!name.startsWith(".swarmd-tmp-"), name);
    assert(name !== "next.key.json", name);
  }
}

async function serialOf(folder: string): Promise<string> {
  const leaf = `${folder}/swarm-node.crt`;
  const root = `${folder}/swarm-root-ca.crt`;
  const key = `${folder}/swarm-node.key`;
  const [facts, spki] = await Promise.all([
    openssl("x509", "-in", leaf, "-noout", "-serial", "-pubkey"),
    openssl("pkey", "-in", key, "-pubout"),
    openssl("verify", "-CAfile", root, leaf),
  ]);
  assert(facts.includes(spki), "the key is another one's");
  assertEquals((await Deno.stat(key)).mode, 0o100600);
  const [, serial = ""] = /^serial=0*(\w+)$/m.exec(facts) ?? [];
  return serial.toLowerCase();
}

/** What a command of OpenSSL writes; throws when it fails. */
export async function openssl(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("openssl", {
    args,
    stdin: "null",
  }).output();
  const said = new TextDecoder();
  if (success) return said.decode(stdout);
  throw new Error(`openssl ${args.join(" ")}: ${said.decode(stderr)}`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
