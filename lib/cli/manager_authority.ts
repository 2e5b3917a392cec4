import type { Logger } from "../base/logger.ts";
import { silentLogger } from "../base/logger.ts";
import { SwarmdError } from "../base/errors.ts";
import { newId } from "../base/random.ts";
import { SECOND, wholeSeconds } from "../base/time.ts";
import {
  Authorities,
  type AuthorityParts,
  type Issuer,
} from "../manager/authorities.ts";
import type {
  AuthoritySource,
  AuthorityTexts,
  ExternalAuthority,
  ExternalTexts,
  OwnTexts,
} from "../manager/authority_source.ts";
import { namesOf } from "../manager/manager.ts";
import { ensureRootFacts } from "../manager/root_facts.ts";
import type { AdvertisedAddress } from "../manager/ports.ts";
import type { CrlIssuer } from "../manager/revocation_lists.ts";
import type { ManagerNames } from "../manager/sign_leaf.ts";
import { postJson } from "../net/http_post.ts";
import { makeTrustStorePrivate } from "../net/private_trust.ts";
import { systemClock, systemCrypto, systemRandom } from "../net/system.ts";
import { tryHandshake } from "../net/trial_handshake.ts";
import { signingAlgorithm } from "../pki/algorithms.ts";
import { importAnchor, importCa } from "../pki/ca_import.ts";
import type { Certificate } from "../pki/certificate.ts";
import { createCsr } from "../pki/csr.ts";
import type { Crypto } from "../pki/crypto.ts";
import { encodePem } from "../pki/pem.ts";
import { LEAF_BACKDATE, newSerial } from "../pki/profile.ts";
import type { ExternalSigner, Signer } from "../pki/signer.ts";
import { askIssuer, type Post, REQUEST_MS } from "../signer/cfssl.ts";
import { decryptPkcs8 } from "../signer/encrypted_key.ts";
import { externalSigner } from "../signer/external.ts";
import { readAuthKey } from "../signer/external_ca.ts";
import { localSigner } from "../signer/local.ts";

/**
 * For one issue at all authorities together, in milliseconds. A node without a
 * session waits 15 s for its answer, and an issue takes as long as one request
 * more than there are authorities.
 */
const ISSUE_MS = 14 * SECOND;

const post: Post = (request) => postJson(systemClock, request);

/** What an authority is for. */
export interface AuthorityUse {
  /** Life of the leaves that it is to sign, in milliseconds. */
  readonly leafLifeMs: number;
  /** Where managers are reached. */
  readonly advertise: readonly AdvertisedAddress[];
  /** No leaf may outlive this, in milliseconds. Default: the issuer's end. */
  readonly until?: number;
}

/** What an authority has to sign to be taken. */
interface Trial extends Pick<AuthorityUse, "leafLifeMs" | "until"> {
  readonly names: ManagerNames;
}

/**
 * Reads the authority that an operator wants to be used, and tries it. Nothing
 * is written.
 *
 * @throws {SwarmdError} `usage` naming what is wrong, also when TLS does not
 * take what it signs; `signer-unavailable` or `csr-refused` when an authority
 * elsewhere does not sign, `precondition` when it never will like this
 */
export async function openAuthority(
  texts: AuthorityTexts,
  use: AuthorityUse,
): Promise<AuthoritySource> {
  try {
    return await openAndTry(texts, use);
  } catch (error) {
    throw isMisconfigured(error) ? misconfigured(error) : error;
  }
}

/** Whether an authority elsewhere answered, and would do the same again. */
function isMisconfigured(error: unknown): error is SwarmdError {
  return error instanceof SwarmdError && error.code === "signer-unavailable" &&
    error.data["isPermanent"] === true;
}

function misconfigured({ message }: SwarmdError): SwarmdError {
  return new SwarmdError("precondition", message, {
    verdict: "stop",
    hint:
      "Check url, profile and auth-key of --external-ca, --ca-cert and --cert-expiry against the configuration of the authority: see docs/external-ca.md",
  });
}

async function openAndTry(
  texts: AuthorityTexts,
  { advertise, ...use }: AuthorityUse,
): Promise<AuthoritySource> {
  makeTrustStorePrivate();
  const { leafLifeMs } = use;
  const source = "external" in texts
    ? await externalFrom(texts, leafLifeMs)
    : await ownFrom(texts, leafLifeMs);
  if (source.anchor.subjectKeyId === undefined) {
    throw new SwarmdError(
      "usage",
      "Cannot use this authority to sign with: its certificate has no subject key identifier",
      { verdict: "stop" },
    );
  }
  await tryAuthority(source, { ...use, names: namesOf(advertise) });
  return source;
}

/**
 * Has an authority sign a manager's certificate, which nobody gets, and shakes
 * hands with it: what an authority says of itself proves nothing. Of several,
 * each has to.
 */
async function tryAuthority(
  source: AuthoritySource,
  trial: Trial,
): Promise<void> {
  for (const signer of signersOf(source)) {
    await trySigner(signer, { source, ...trial });
  }
}

async function trySigner(
  signer: Signer,
  { source, leafLifeMs, names, until = Infinity }: Trial & {
    readonly source: AuthoritySource;
  },
): Promise<void> {
  const key = await systemCrypto.generateKey();
  const now = wholeSeconds(systemClock.now());
  const leaf = await signer.issue({
    ...names,
    clusterId: newId(systemRandom),
    nodeId: newId(systemRandom),
    role: "manager",
    spki: key.spki,
    serial: newSerial(systemRandom),
    notBefore: now - LEAF_BACKDATE,
    notAfter: Math.min(
      now + wholeSeconds(leafLifeMs),
      signer.issuer.notAfter,
      until,
    ),
  }, await createCsr(systemCrypto, key));
  const chain = [leaf, ...source.intermediates.map(({ der }) => der)];
  const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
  await tryHandshake({
    chainPem: chain.map((der) => encodePem("CERTIFICATE", der)).join(""),
    keyPem: encodePem("PRIVATE KEY", pkcs8),
    rootsPem: encodePem("CERTIFICATE", source.anchor.der),
  });
}

/**
 * Opens the authorities of a cluster.
 *
 * @throws {SwarmdError} `damaged-state`
 */
export async function openAuthorities(
  parts: Omit<AuthorityParts, "makeSigner" | "makeExternalSigner"> & {
    readonly logger: Logger;
  },
): Promise<Authorities> {
  const { store, crypto, logger } = parts;
  await ensureRootFacts(store, crypto);
  return await Authorities.open({
    ...parts,
    makeSigner: (authority) => localSigner(crypto, authority),
    makeExternalSigner: (made) => external({ ...made, crypto, logger }),
  });
}

/** An issuer, as revocation lists want it. */
export function crlIssuer(crypto: Crypto, { root, key }: Issuer): CrlIssuer {
  if (!key) return { certificate: root };
  const algorithm = signingAlgorithm(root.publicKeyType);
  const sign = (tbs: Uint8Array<ArrayBuffer>) => crypto.sign(key, tbs);
  return { certificate: root, key: { algorithm, sign } };
}

function external(
  parts: {
    readonly issuer: Certificate;
    readonly authorities: readonly ExternalAuthority[];
    readonly crypto: Crypto;
    readonly logger: Logger;
  },
): ExternalSigner {
  const share = ISSUE_MS / (parts.authorities.length + 1);
  return externalSigner({
    ...parts,
    intermediates: [],
    clock: systemClock,
    post,
    timeoutMs: Math.min(REQUEST_MS, share),
  });
}

function signersOf({ anchor: root, signs }: AuthoritySource): Signer[] {
  if ("key" in signs) {
    return [localSigner(systemCrypto, { root, key: signs.key })];
  }
  return signs.external.map((authority) =>
    external({
      issuer: root,
      authorities: [authority],
      crypto: systemCrypto,
      logger: silentLogger,
    })
  );
}

async function ownFrom(
  { passphrase, ...texts }: OwnTexts,
  leafLifeMs: number,
): Promise<AuthoritySource> {
  const { anchor, key, intermediates } = await importCa(systemCrypto, {
    ...texts,
    ...(passphrase !== undefined && { passphrase }),
    decrypt: decryptPkcs8,
  }, { now: systemClock.now(), leafLifeMs });
  return { anchor, intermediates, signs: { key: key.privateKey } };
}

async function externalFrom(
  { external: texts, certificatesPem }: ExternalTexts,
  leafLifeMs: number,
): Promise<AuthoritySource> {
  const external = texts.map(openTexts);
  const pem = certificatesPem ?? await askAll(external);
  const expected = { now: systemClock.now(), leafLifeMs };
  const anchor = await importAnchor(systemCrypto, pem, expected);
  return { ...anchor, signs: { external } };
}

function openTexts(
  { url, profile, authKey, rootsPem, identity }:
    ExternalTexts["external"][number],
): ExternalAuthority {
  return {
    url,
    ...(profile !== undefined && { profile }),
    ...(authKey !== undefined && { authKey: readAuthKey(authKey) }),
    credentials: { rootsPem, ...(identity && { identity }) },
  };
}

/** The first that answers tells the certificate; none may tell another. */
async function askAll(
  authorities: readonly ExternalAuthority[],
): Promise<string> {
  let failure: unknown;
  for (const authority of authorities) {
    try {
      const { der } = await askIssuer({
        authority,
        crypto: systemCrypto,
        post,
      });
      return encodePem("CERTIFICATE", der);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
