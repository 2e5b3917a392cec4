import { toHex } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { readBoundedFile } from "../disk/bounded_file.ts";
import type {
  AuthorityTexts,
  ExternalTexts,
  OwnTexts,
} from "../manager/authority_source.ts";
import { type ExternalCa, readAuthKey } from "../signer/external_ca.ts";
import type {
  AuthorityWish,
  ExternalAuthorities,
  OwnAuthority,
} from "./authority_options.ts";
import type { Host } from "./command.ts";

/** As much as a chain of certificates may have, in bytes. */
const MAX_FILE_BYTES = 16 * 1024;

/**
 * Reads the files of an authority, and asks for its passphrase where that is
 * needed.
 *
 * @throws {SwarmdError} `usage`, `disk`, `damaged-state`
 */
export async function readAuthorityFiles(
  wish: AuthorityWish,
  host: Pick<Host, "askSecret">,
): Promise<AuthorityTexts> {
  return "external" in wish
    ? await readExternal(wish)
    : await readOwn(wish, host);
}

async function readOwn(
  { certFile, keyFile, passphraseFile }: OwnAuthority,
  host: Pick<Host, "askSecret">,
): Promise<OwnTexts> {
  const certificatesPem = await mustRead("--ca-cert", certFile);
  const keyPem = await mustRead("--ca-key", keyFile);
  if (keyPem.includes("ENCRYPTED PRIVATE KEY")) {
    const passphrase = await readPassphrase(passphraseFile, host);
    return { certificatesPem, keyPem, passphrase };
  }
  // A key in an older form may be encrypted in its own way: who imports it tells
  // how to convert it.
  const isPlain = keyPem.includes("BEGIN PRIVATE KEY");
  if (passphraseFile === undefined || !isPlain) {
    return { certificatesPem, keyPem };
  }
  throw refused(
    "Cannot use --ca-key-passphrase-file: the key is not encrypted",
  );
}

async function readPassphrase(
  file: string | undefined,
  host: Pick<Host, "askSecret">,
): Promise<string> {
  if (file !== undefined) {
    const text = await mustRead("--ca-key-passphrase-file", file);
    return text.split("\n")[0]?.replace(/\r$/, "") ?? "";
  }
  const typed = host.askSecret("Passphrase of the key:");
  if (typed !== null) return typed;
  throw new SwarmdError(
    "usage",
    "Cannot open --ca-key: it is encrypted, and nobody is there to ask for its passphrase",
    { verdict: "stop", hint: "Give --ca-key-passphrase-file FILE" },
  );
}

async function readExternal(
  { external: all, certFile }: ExternalAuthorities,
): Promise<ExternalTexts> {
  const external: ExternalTexts["external"][number][] = [];
  for (const each of all) external.push(await readOne(each));
  if (certFile === undefined) return { external };
  return {
    external,
    certificatesPem: await mustRead("--ca-cert", certFile),
  };
}

async function readOne(ca: ExternalCa) {
  const { url, profile, caFile, authKeyFile, identityFiles: files } = ca;
  const read = (field: string, path: string) =>
    mustRead(`${field} of --external-ca`, path);
  const authKey = authKeyFile === undefined
    ? undefined
    : keyIn(await read("auth-key", authKeyFile), authKeyFile);
  const identity = files && {
    chainPem: await read("cert", files.cert),
    keyPem: await read("key", files.key),
  };
  return {
    url,
    rootsPem: caFile === undefined ? "" : await read("ca", caFile),
    ...(profile !== undefined && { profile }),
    ...(authKey !== undefined && { authKey }),
    ...(identity && { identity }),
  };
}

function keyIn(text: string, path: string): string {
  try {
    return toHex(readAuthKey(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refused(`${error.message}, in "${path}"`);
  }
}

async function mustRead(option: string, path: string): Promise<string> {
  const text = await readBoundedFile(path, MAX_FILE_BYTES);
  if (text !== undefined) return text;
  throw refused(`Cannot read ${option} "${path}": there is no such file`);
}

function refused(text: string): SwarmdError {
  return new SwarmdError("usage", text, { verdict: "stop" });
}
