import { readIdentity } from "../../../lib/disk/identity_files.ts";
import { taggedPems, tagOf } from "./pems.ts";

/** The tag of the identity in use, or `undefined`. */
export async function tagIn(stateDir: string): Promise<string | undefined> {
  const identity = await readIdentity(stateDir);
  return identity && tagOf(identity);
}

/** The name of the folder that the link names. */
export async function linkedName(stateDir: string): Promise<string> {
  return (await Deno.readLink(`${stateDir}/certificates`)).split("/")[1] ?? "";
}

/** Writes an identity folder by hand, as a person or a backup would. */
export async function writeByHand(folder: string, tag: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const pems = taggedPems(tag);
  await Deno.writeTextFile(`${folder}/swarm-root-ca.crt`, pems.rootsPem);
  await Deno.writeTextFile(`${folder}/swarm-node.crt`, pems.certificatePem);
  await Deno.writeTextFile(`${folder}/swarm-node.key`, pems.keyPem);
}
