import { SwarmdError } from "../base/errors.ts";
import { type ExternalCa, parseExternalCa } from "../signer/external_ca.ts";
import { option, repeated } from "./command.ts";
import { text } from "./values.ts";

/** Which authority is to sign, where it is not a new root of our own. */
export const AUTHORITY = {
  "ca-cert": option(
    text("FILE"),
    "Sign with an authority of your own: its certificate in PEM, then its issuer's, and so on; with --external-ca, the certificate of that",
    { defaultText: "a new root; with --external-ca, what it says itself" },
  ),
  "ca-key": option(text("FILE"), "Its key: PKCS#8 in PEM, encrypted or not"),
  "ca-key-passphrase-file": option(
    text("FILE"),
    "File whose first line opens an encrypted key",
    { defaultText: "a prompt that does not show it" },
  ),
  "external-ca": repeated(
    text("SPEC"),
    "Have an authority elsewhere sign: protocol=cfssl, url=https://HOST, ca=FILE, profile=NAME and auth-key=FILE, or cert=FILE and key=FILE, with commas and no spaces between; each is tried in turn",
  ),
};

/** An authority in files. */
export interface OwnAuthority {
  readonly certFile: string;
  readonly keyFile: string;
  readonly passphraseFile?: string;
}

/** Authorities elsewhere. */
export interface ExternalAuthorities {
  /** Absent: what they say themselves. */
  readonly certFile?: string;
  /** At least one. */
  readonly external: readonly ExternalCa[];
}

/** Which authority is to sign. */
export type AuthorityWish = OwnAuthority | ExternalAuthorities;

/** Those options, as the table gives them. */
export interface AuthorityGiven {
  readonly "ca-cert": string | undefined;
  readonly "ca-key": string | undefined;
  readonly "ca-key-passphrase-file": string | undefined;
  readonly "external-ca": readonly string[];
}

/** More would make a request wait for too many of them. */
const MAX_EXTERNAL = 4;

/**
 * What was given together; nothing for a new root.
 *
 * @throws {SwarmdError} `usage` for what does not go together
 */
export function authorityWish(
  given: AuthorityGiven,
): AuthorityWish | undefined {
  const {
    "ca-cert": certFile,
    "ca-key": keyFile,
    "ca-key-passphrase-file": passphraseFile,
    "external-ca": specs,
  } = given;
  if (passphraseFile !== undefined && keyFile === undefined) {
    throw refused("--ca-key-passphrase-file goes with --ca-key only");
  }
  if (specs.length > 0) {
    if (keyFile !== undefined) {
      throw refused(
        "--ca-key does not go with --external-ca: the key is either here or elsewhere",
      );
    }
    return { external: readSpecs(specs), ...(certFile && { certFile }) };
  }
  if (certFile === undefined) {
    if (keyFile === undefined) return undefined;
    throw refused("--ca-key goes with --ca-cert only");
  }
  if (keyFile === undefined) {
    throw refused("--ca-cert goes with --ca-key or --external-ca only");
  }
  return { certFile, keyFile, ...(passphraseFile && { passphraseFile }) };
}

function readSpecs(specs: readonly string[]): ExternalCa[] {
  if (specs.length > MAX_EXTERNAL) {
    throw refused(
      `--external-ca is given ${specs.length} times, want at most ${MAX_EXTERNAL}`,
    );
  }
  const all = specs.map(readSpec);
  const urls = all.map(({ url, profile = "" }) => `${url} ${profile}`);
  if (new Set(urls).size < urls.length) {
    throw refused("--external-ca names the same authority twice");
  }
  return all;
}

/** Not quoted: a URL may hold a password, where it should not. */
function readSpec(spec: string): ExternalCa {
  try {
    return parseExternalCa(spec);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refused(`Cannot read --external-ca: ${error.message}`);
  }
}

function refused(text: string): SwarmdError {
  return new SwarmdError("usage", text, { verdict: "stop" });
}
