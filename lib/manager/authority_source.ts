import { type Bytes, fromUtf8, toBase64, utf8 } from "../base/bytes.ts";
import type { Random } from "../base/random.ts";
import type { ExternalRecord, TargetRoot } from "../cluster/root_record.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import type { Crypto, PrivateKey } from "../pki/crypto.ts";
import { createRoot } from "../pki/root.ts";
import { openValue, type SealingKey, sealValue } from "../pki/sealed.ts";
import { rootFacts } from "./root_facts.ts";

/** An authority that signs elsewhere, its secrets open. */
export interface ExternalAuthority {
  /** Where its API begins. */
  readonly url: string;
  /** Its signing profile; absent: its default. */
  readonly profile?: string;
  /** Authenticates requests. */
  readonly authKey?: Bytes;
  /** What is shown to, and wanted of, its HTTPS server. */
  readonly credentials: {
    /** PEM; empty for HTTP. */
    readonly rootsPem: string;
    readonly identity?: { readonly chainPem: string; readonly keyPem: string };
  };
}

/** Who is to sign the certificates of nodes, and the certificate of that. */
export interface AuthoritySource {
  /** What nodes trust and tokens pin, root or not. */
  readonly anchor: Certificate;
  /** Sent after leaves. */
  readonly intermediates: readonly Certificate[];
  readonly signs:
    | { readonly key: PrivateKey }
    /** In the order in which they are tried; at least one. */
    | { readonly external: readonly ExternalAuthority[] };
}

/** An authority as files describe it, in texts. */
export type AuthorityTexts = OwnTexts | ExternalTexts;

/** One whose key is handed over. */
export interface OwnTexts {
  readonly certificatesPem: string;
  readonly keyPem: string;
  /** Of an encrypted key. */
  readonly passphrase?: string | undefined;
}

/** One whose key stays elsewhere. */
export interface ExternalTexts {
  /** Absent: what it says itself. */
  readonly certificatesPem?: string | undefined;
  readonly external: readonly {
    readonly url: string;
    readonly profile?: string | undefined;
    /** Hexadecimal. */
    readonly authKey?: string | undefined;
    readonly rootsPem: string;
    readonly identity?:
      | { readonly chainPem: string; readonly keyPem: string }
      | undefined;
  }[];
}

/** What an authority is to sign at first. */
export interface AuthorityBounds {
  /** No leaf may outlive this, in milliseconds; `Infinity`: its own end. */
  readonly until: number;
}

/**
 * Reads an authority, and tries it: with what it will have to sign.
 *
 * @throws {SwarmdError} `usage` naming what is wrong, or `signer-unavailable`
 */
export type ReadAuthority = (
  texts: AuthorityTexts,
  bounds: AuthorityBounds,
) => Promise<AuthoritySource>;

/** What a root is made, or taken over, with. */
export interface RootMaking {
  readonly crypto: Crypto;
  readonly random: Random;
  /** Wall clock, in milliseconds. */
  readonly now: number;
  /** Seals its secrets. */
  readonly sealing: SealingKey;
  readonly generation: number;
  /** When the root before it begins; absent for the first. */
  readonly since?: number;
  /** Absent: a new root. */
  readonly source?: AuthoritySource;
}

/** A root and its record, whose secrets are sealed. */
export interface MadeRoot {
  readonly certificate: Certificate;
  readonly record: TargetRoot;
}

/** Makes a new root, or the record of one that comes from elsewhere. */
export async function makeRoot(making: RootMaking): Promise<MadeRoot> {
  const { crypto, generation, source = await newRoot(making) } = making;
  const { anchor: certificate, intermediates, signs } = source;
  const secrets = "key" in signs
    ? { key: await sealKey(signs.key, making) }
    : { external: await sealExternal(signs.external, making) };
  const record = {
    generation,
    certificate: toBase64(certificate.der),
    facts: await rootFacts(crypto, certificate),
    ...secrets,
    ...(intermediates.length > 0 && {
      intermediates: intermediates.map(({ der }) => toBase64(der)),
    }),
  };
  return { certificate, record };
}

/**
 * Opens the secrets of the authorities that sign for a root.
 *
 * @throws {SwarmdError} `damaged-state`
 */
export async function openExternal(
  crypto: Crypto,
  { generation, external = [] }: Pick<TargetRoot, "generation" | "external">,
  ring: ReadonlyMap<number, Bytes>,
): Promise<ExternalAuthority[]> {
  const open = async (each: ExternalRecord, at: number) => {
    const { url, profile, rootsPem, authKey: value, identity } = each;
    const name = authKeyName(generation, at);
    const key = identity && await openValue(crypto, {
      ring,
      name: clientKeyName(generation, at),
      value: identity.key,
    });
    return {
      url,
      ...(profile !== undefined && { profile }),
      ...(value && { authKey: await openValue(crypto, { ring, name, value }) }),
      credentials: {
        rootsPem,
        ...(identity && key && {
          identity: { chainPem: identity.chainPem, keyPem: fromUtf8(key) },
        }),
      },
    };
  };
  return await Promise.all(external.map(open));
}

/** What the root key of a generation is called when it is sealed. */
export function rootKeyName(generation: number): string {
  return `root-key/${generation}`;
}

/** What the key that authenticates requests is called when it is sealed. */
export function authKeyName(generation: number, at: number): string {
  return `external-auth-key/${generation}/${at}`;
}

/** What the key of a client certificate is called when it is sealed. */
export function clientKeyName(generation: number, at: number): string {
  return `external-client-key/${generation}/${at}`;
}

async function newRoot(making: RootMaking): Promise<AuthoritySource> {
  const { crypto } = making;
  const key = await crypto.generateKey();
  const der = await createRoot(crypto, { ...making, key });
  const anchor = await readCertificate(crypto, der);
  return { anchor, intermediates: [], signs: { key: key.privateKey } };
}

async function sealKey(
  privateKey: PrivateKey,
  { crypto, sealing: key, generation }: RootMaking,
) {
  const data = await crypto.exportPkcs8(privateKey);
  const name = rootKeyName(generation);
  return await sealValue(crypto, { key, name, data });
}

async function sealExternal(
  external: readonly ExternalAuthority[],
  { crypto, sealing: key, generation }: RootMaking,
): Promise<ExternalRecord[]> {
  const seal = (name: string, data: Bytes) =>
    sealValue(crypto, { key, name, data });
  return await Promise.all(external.map(async (each, at) => {
    const { url, profile, authKey, credentials } = each;
    const { rootsPem, identity } = credentials;
    return {
      protocol: "cfssl" as const,
      url,
      rootsPem,
      ...(profile !== undefined && { profile }),
      ...(authKey && {
        authKey: await seal(authKeyName(generation, at), authKey),
      }),
      ...(identity && {
        identity: {
          chainPem: identity.chainPem,
          key: await seal(
            clientKeyName(generation, at),
            utf8(identity.keyPem),
          ),
        },
      }),
    };
  }));
}
