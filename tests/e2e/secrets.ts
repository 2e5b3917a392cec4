import { decodePem } from "../../lib/pki/pem.ts";

/** The data of every sealed value that a manager's database holds, as base64. */
export async function secretsIn(stateDir: string): Promise<string[]> {
  const found = await sealedIn(stateDir);
  return [...found.keys()];
}

/** The versions of the keys that seal anything in a manager's database. */
export async function versionsIn(stateDir: string): Promise<Set<number>> {
  return new Set((await sealedIn(stateDir)).values());
}

/** Versions by data. */
async function sealedIn(stateDir: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const name of ["swarmd.db", "swarmd.db-wal"]) {
    const bytes = await readIfThere(`${stateDir}/${name}`);
    const text = new TextDecoder("latin1").decode(bytes);
    const values = /\{"version":(\d+),"data":"([\w+/=]{40,})"\}/g;
    for (const [, version, data = ""] of text.matchAll(values)) {
      found.set(data, Number(version));
    }
  }
  return found;
}

/** The log of writes is gone when nobody has the database open. */
async function readIfThere(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw error;
  }
}

/** A manager's own key as it lies open: how it may be found in a file. */
export async function pkcs8In(
  stateDir: string,
): Promise<{ readonly forms: readonly string[] }> {
  const path = `${stateDir}/certificates/swarm-node.key`;
  const pem = await Deno.readTextFile(path);
  const [der = new Uint8Array()] = decodePem(pem, "PRIVATE KEY");
  const lines = pem.split("\n").slice(1, -2);
  return {
    forms: [new TextDecoder("latin1").decode(der), ...lines.slice(0, 2)],
  };
}
