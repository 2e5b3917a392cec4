import { equalBytes, fromBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import { hasSigner, type RootRecord } from "../cluster/root_record.ts";
import {
  anchorsOf,
  bundleOf,
  type BundleRoot,
  type IssueContext,
  issuerFor,
} from "../cluster/root_views.ts";
import type { Store } from "../cluster/store.ts";
import { AUTHORITY_KEYS } from "../pki/ca_import.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import type { PrivateKey } from "../pki/crypto.ts";
import { openValue } from "../pki/sealed.ts";
import type { Signer } from "../pki/signer.ts";
import type { TrustBundle } from "../pki/trust_bundle.ts";
import { rootKeyName } from "./authority_source.ts";
import {
  ExternalSigners,
  type ExternalSignersParts,
} from "./external_signers.ts";
import { mustCluster } from "./records.ts";

/** An authority whose key is here. */
export interface Authority {
  readonly root: Certificate;
  readonly key: PrivateKey;
  /** Sent after what it signs. */
  readonly intermediates?: readonly Certificate[];
}

/** An authority whose key may be elsewhere. */
export type Issuer = Pick<Authority, "root"> & Partial<Pick<Authority, "key">>;

/** What the authorities of a cluster work with. */
export interface AuthorityParts extends ExternalSignersParts {
  readonly store: Store;
  /** How a key of our own signs. */
  readonly makeSigner: (authority: Authority) => Signer;
}

/** What admission verifies chains with. */
interface OpenAnchors {
  readonly roots: readonly Certificate[];
  /** The cluster's own cross-signed certificates. */
  readonly intermediates: readonly Certificate[];
  /** Roots that nothing leads to any more, but to `recover`. */
  readonly dropped: readonly Certificate[];
}

/** What vouches for a root in memory alone. */
interface Carried {
  /** DER, base64. */
  readonly cross: string;
  readonly certificate: Certificate;
  /** The root that it vouches for: DER, base64. */
  readonly root: string;
  /** From then on nothing is issued with it, in milliseconds. */
  readonly until: number;
}

/** What nodes are told to trust. */
export interface BundleOffer {
  readonly roots: BundleRoot[];
  /** What completes managers' paths; of the rotation under way first. */
  readonly intermediates: string[];
}

/** Most of them in an offer. */
const MAX_INTERMEDIATES = 8;

/**
 * The authorities of the cluster as its record has them at this moment: who
 * signs, what is accepted, what nodes trust. Certificates and keys are read
 * beforehand, by {@linkcode Authorities.prepare}: to ask is to look.
 */
export class Authorities {
  /** Those whose keys are elsewhere. */
  readonly external: ExternalSigners;
  readonly #parts: AuthorityParts;
  /** By DER, base64. */
  readonly #certificates = new Map<string, Certificate>();
  /**
   * By the certificate of their root. A change that failed made another root of
   * the generation that the next one makes.
   */
  readonly #keys = new Map<string, PrivateKey>();
  #carried: Carried | undefined;
  #anchors:
    | { readonly of: ClusterRecord; readonly open: OpenAnchors }
    | undefined;

  constructor(parts: AuthorityParts) {
    this.#parts = parts;
    this.external = new ExternalSigners(parts);
  }

  /**
   * Opens those of the record in the store.
   *
   * @throws {SwarmdError} `damaged-state` when a key does not open, or is not
   * that of its certificate
   */
  static async open(parts: AuthorityParts): Promise<Authorities> {
    const authorities = new Authorities(parts);
    await authorities.prepare(parts.store.view(mustCluster));
    return authorities;
  }

  /** Before a record is written: whoever asks afterwards finds what it names. */
  async prepare(cluster: ClusterRecord): Promise<void> {
    const { roots, intermediates, dropped } = anchorsOf(cluster);
    const { root, rotation } = cluster;
    const others = [root, ...(rotation ? [rotation.target] : [])];
    const named = others.flatMap(({ certificate, intermediates = [] }) => [
      certificate,
      ...intermediates,
    ]);
    for (const base64 of [...roots, ...intermediates, ...dropped, ...named]) {
      await this.#read(base64);
    }
    for (const each of others) {
      await this.#open(each);
      await this.external.open(each, this.#certificate(each.certificate));
    }
  }

  /**
   * After a record was written, or could not be: keys that the one in the store
   * does not hold are gone.
   */
  forget(): void {
    const { root, rotation } = this.#cluster();
    const held = [root, ...(rotation ? [rotation.target] : [])];
    const kept = new Set(
      held.filter(hasSigner).map(({ certificate }) => certificate),
    );
    this.external.keep(kept);
    for (const certificate of this.#keys.keys()) {
      if (!kept.has(certificate)) this.#keys.delete(certificate);
    }
  }

  /**
   * The present root was cut off as compromised: those who are carried over on
   * sessions that are open trust only the root before, which vouches for the new
   * one to them, and to nobody else. It is nowhere but in memory.
   */
  async carry(
    carried: Pick<Carried, "cross" | "root" | "until">,
  ): Promise<void> {
    const certificate = await this.#read(carried.cross);
    this.#carried = { ...carried, certificate };
  }

  /**
   * Not for another root, and not to its very end: what leans on it ends with
   * it, and would be renewed sooner and sooner.
   */
  #carriedAt(now: number): Carried | undefined {
    const carried = this.#carried;
    const { certificate } = this.#cluster().root;
    if (carried?.root !== certificate) return undefined;
    return now < carried.until ? carried : undefined;
  }

  /** What nodes are to trust now, with what vouches for it. */
  offer(now: number): BundleOffer {
    const { roots } = bundleOf(this.#cluster());
    const cross = this.#carriedAt(now)?.cross;
    const { intermediates } = anchorsOf(this.#cluster());
    return {
      roots: roots.map((root) =>
        root.cross === undefined && cross !== undefined
          ? { ...root, cross }
          : { ...root }
      ),
      intermediates: intermediates.slice(0, MAX_INTERMEDIATES),
    };
  }

  /**
   * The root that stays until a rotation ends, and its key.
   *
   * @throws {SwarmdError} `not-supported` when the key is not here
   */
  get present(): Authority {
    const { root } = this.#cluster();
    if (!root.key) throw keyElsewhere();
    return { root: this.#certificate(root.certificate), key: this.#key(root) };
  }

  /** The certificate of the root that stays until a rotation ends. */
  get root(): Certificate {
    return this.#certificate(this.#cluster().root.certificate);
  }

  /** Whose leaves are in use, with their keys where they are here. */
  get issuers(): readonly Issuer[] {
    const { root, rotation } = this.#cluster();
    const all = [root, ...(rotation ? [rotation.target] : [])];
    return all.map(({ certificate }) => {
      const key = this.#keys.get(certificate);
      return { root: this.#certificate(certificate), ...(key && { key }) };
    });
  }

  /** Signs with a key that is in no record. */
  signerOf(authority: Authority): Signer {
    return this.#parts.makeSigner(authority);
  }

  /** Who signs for a node, now. */
  signerFor(context: IssueContext): Signer {
    const { root, chain, until } = issuerFor(this.#cluster(), context);
    const carried = this.#carriedAt(context.now)?.certificate;
    const end = until ?? carried?.notAfter;
    const bound = end === undefined ? {} : { until: end };
    const issuer = this.#certificate(root.certificate);
    const known = [...chain, ...root.intermediates ?? []];
    // Those that nodes need come first
    const intermediates = [
      ...carried ? [carried] : [],
      ...known.map((base64) => this.#certificate(base64)),
    ].slice(0, MAX_SENT);
    if (!root.external) {
      const key = this.#key(root);
      const authority = { root: issuer, key, intermediates };
      return { ...this.#parts.makeSigner(authority), ...bound };
    }
    const external = this.external.get(root.certificate);
    if (!external) throw notReady();
    return {
      ...bound,
      issuer,
      intermediates,
      choosesMoments: true,
      issue: (profile, csr) => external.issue(profile, csr),
    };
  }

  /** The same object for as long as the record stays the same. */
  get anchors(): OpenAnchors {
    const of = this.#cluster();
    if (this.#anchors?.of === of) return this.#anchors.open;
    const { roots, intermediates, dropped } = anchorsOf(of);
    const read = (list: readonly string[]) =>
      list.map((base64) => this.#certificate(base64));
    const open = {
      roots: read(roots),
      intermediates: read(intermediates),
      dropped: read(dropped),
    };
    this.#anchors = { of, open };
    return open;
  }

  /** What nodes are to trust now. */
  get bundle(): TrustBundle {
    const { roots } = bundleOf(this.#cluster());
    return {
      roots: roots.map(({ certificate }) => this.#certificate(certificate)),
    };
  }

  #cluster(): ClusterRecord {
    return this.#parts.store.view(mustCluster);
  }

  async #read(base64: string): Promise<Certificate> {
    const known = this.#certificates.get(base64);
    if (known) return known;
    const { crypto } = this.#parts;
    const certificate = await readCertificate(crypto, fromBase64(base64));
    this.#certificates.set(base64, certificate);
    return certificate;
  }

  async #open(root: RootRecord): Promise<void> {
    const { generation, key: value } = root;
    if (!value || this.#keys.has(root.certificate)) return;
    const { crypto, keyRing: ring } = this.#parts;
    const name = rootKeyName(generation);
    const pkcs8 = await openValue(crypto, { ring, name, value });
    const { spki, privateKey } = await crypto.importPkcs8(
      pkcs8,
      AUTHORITY_KEYS,
    );
    const certificate = this.#certificate(root.certificate);
    if (!equalBytes(spki, certificate.spki)) {
      throw new SwarmdError(
        "damaged-state",
        "Cannot sign: the root key in the store is not that of the root certificate",
        { verdict: "stop", hint: "Restore swarmd.db from a backup" },
      );
    }
    this.#keys.set(root.certificate, privateKey);
  }

  #certificate(base64: string): Certificate {
    const certificate = this.#certificates.get(base64);
    if (certificate) return certificate;
    throw notReady();
  }

  #key({ certificate }: Pick<RootRecord, "certificate">): PrivateKey {
    const key = this.#keys.get(certificate);
    if (key) return key;
    throw notReady();
  }
}

/** Certificates after a leaf: an answer holds six in all. */
const MAX_SENT = 5;

function keyElsewhere(): SwarmdError {
  return new SwarmdError(
    "not-supported",
    "The key of the present authority is not here: it can vouch for no other",
    { verdict: "stop", hint: "Rotate with `swarmd ca rotate --trust-first`" },
  );
}

/** The record was just written by another hand. */
function notReady(): SwarmdError {
  return new SwarmdError(
    "signer-unavailable",
    "Cannot sign just now: the authority has changed",
  );
}
