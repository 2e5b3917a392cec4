import { type Bytes, fromBase64 } from "../base/bytes.ts";
import { describeError, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../base/time.ts";
import { acceptedAs } from "../cluster/node.ts";
import { recordSeen } from "../cluster/seen.ts";
import type { Store } from "../cluster/store.ts";
import {
  type Certificate,
  readCertificate,
  readCertificates,
} from "../pki/certificate.ts";
import { createCsr } from "../pki/csr.ts";
import type { Crypto, PrivateKey } from "../pki/crypto.ts";
import { checkIdentity, type NodeIdentity } from "../pki/identity.ts";
import type { IdentityStore } from "../pki/identity_store.ts";
import { decodePem, encodePem } from "../pki/pem.ts";
import {
  bundleDigest,
  type TrustBundle,
  writeBundle,
} from "../pki/trust_bundle.ts";
import type { ServerCredentials } from "../rpc/connection.ts";
import type { Authorities } from "./authorities.ts";
import type { Issuance } from "./issuance.ts";
import { mustCluster } from "./records.ts";

/** What a manager's own identity works with. */
export interface OwnIdentityParts {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly identity: IdentityStore;
  readonly issuance: Issuance;
  readonly authorities: Pick<Authorities, "bundle">;
  /** Id of this manager's node. */
  readonly nodeId: string;
}

/** What a manager serves with, and since when. */
export interface Serving {
  readonly certificate: Certificate;
  readonly key: PrivateKey;
  readonly credentials: ServerCredentials;
  /** When it was issued, in milliseconds. */
  readonly issuedAt: number;
  /** Digest of the bundle that was saved with it; absent: as recorded. */
  readonly trusts?: string;
}

/** Loads and renews the certificate of the manager itself. */
export class OwnIdentity {
  readonly #parts: OwnIdentityParts;

  constructor(parts: OwnIdentityParts) {
    this.#parts = parts;
  }

  /**
   * What to serve with at the start: what lies on disk while it is good, else
   * a new certificate. A manager that was off for months gets itself one
   * before it listens. It is seen when it is served with.
   */
  async open(): Promise<Serving> {
    try {
      const serving = await this.#load();
      if (serving) return serving;
    } catch (error) {
      this.#parts.logger.warn("Own certificate not usable; making a new one", {
        error: describeError(error),
      });
    }
    return await this.renew();
  }

  /**
   * Makes a new key and certificate and saves them, before they are used. The
   * ones before are kept until these are {@linkcode seen}.
   */
  async renew(): Promise<Serving> {
    const { crypto, issuance, nodeId, authorities, identity } = this.#parts;
    const key = await crypto.generateKey();
    const pkcs8 = await crypto.exportPkcs8(key.privateKey);
    const issued = await issuance.renew({
      nodeId,
      by: "manager",
      csr: await createCsr(crypto, key),
    });
    const chain = await Promise.all(
      issued.chain.map((der) => readCertificate(crypto, fromBase64(der))),
    );
    const keyPkcs8Pem = encodePem("PRIVATE KEY", pkcs8);
    const made = { key, keyPkcs8Pem, chain, bundle: authorities.bundle };
    const certificate = await this.#check(made, "answer-refused");
    await identity.save(toFiles(made));
    return {
      certificate,
      key: key.privateKey,
      credentials: toCredentials(made),
      issuedAt: issued.issuedAt,
      trusts: await bundleDigest(crypto, made.bundle),
    };
  }

  /** The same with what nodes are to trust now, and saved, before it is used. */
  async adopt(serving: Serving): Promise<Serving> {
    const { identity, crypto, authorities: { bundle } } = this.#parts;
    const { chainPem: certificatePem, keyPem } = serving.credentials;
    const rootsPem = writeBundle(bundle);
    await identity.save({ rootsPem, certificatePem, keyPem });
    const credentials = { ...serving.credentials, rootsPem };
    const trusts = await bundleDigest(crypto, bundle);
    return { ...serving, credentials, trusts };
  }

  /** It is shown to whoever connects: it counts, and those before it do not. */
  async seen({ certificate, trusts }: Serving): Promise<void> {
    const { store, nodeId, clock } = this.#parts;
    const { fingerprint } = certificate;
    await store.update((tx) => {
      recordSeen(tx, { nodeId, fingerprint, now: clock.now() });
      const node = tx.get("node", nodeId);
      if (node && trusts !== undefined && node.trusts !== trusts) {
        tx.put("node", nodeId, { ...node, trusts });
      }
    });
    await this.#forgetOlder();
  }

  /** What was saved last cannot be used: the one before lies on disk again. */
  async giveUp(): Promise<void> {
    await this.#parts.identity.rollBack();
  }

  async #load(): Promise<Serving | undefined> {
    const { identity, crypto, authorities, store, nodeId, clock } = this.#parts;
    const files = await identity.load();
    if (!files) return undefined;
    const [pkcs8] = decodePem(files.keyPem, "PRIVATE KEY");
    if (!pkcs8) throw new SwarmdError("damaged-state", "The key file is empty");
    const loaded = {
      key: await crypto.importPkcs8(pkcs8),
      keyPkcs8Pem: files.keyPem,
      chain: await readCertificates(crypto, files.certificatePem),
      bundle: authorities.bundle,
    };
    const certificate = await this.#check(loaded, "damaged-state");
    const { fingerprint } = certificate;
    const node = store.view((view) => view.get("node", nodeId));
    const known = node && acceptedAs(node, { fingerprint, now: clock.now() });
    if (known !== "current" && known !== "pending") return undefined;
    const { issuedAt } = node?.certificates[known] ?? {};
    if (issuedAt === undefined) return undefined; // unreachable
    return {
      certificate,
      key: loaded.key.privateKey,
      credentials: toCredentials(loaded),
      issuedAt,
    };
  }

  async #check(
    identity: NodeIdentity,
    code: "answer-refused" | "damaged-state",
  ): Promise<Certificate> {
    const { crypto, store, nodeId, clock } = this.#parts;
    const { certificate } = await checkIdentity(crypto, {
      identity,
      clusterId: store.view(mustCluster).id,
      nodeId,
      roles: ["manager"],
      now: clock.now(),
      code,
    });
    return certificate;
  }

  /** The one in use counts, also where those before it cannot be deleted. */
  async #forgetOlder(): Promise<void> {
    const { identity, logger } = this.#parts;
    try {
      await identity.confirm();
    } catch (error) {
      const text = describeError(error);
      logger.warn("Cannot delete an older own key", { error: text });
    }
  }
}

function toFiles(identity: NodeIdentity) {
  return {
    rootsPem: writeBundle(identity.bundle),
    certificatePem: toPem(identity.chain),
    keyPem: identity.keyPkcs8Pem,
  };
}

function toCredentials(
  identity: NodeIdentity & { readonly bundle: TrustBundle },
): ServerCredentials {
  const { rootsPem, certificatePem: chainPem, keyPem } = toFiles(identity);
  return { rootsPem, chainPem, keyPem };
}

function toPem(chain: readonly { readonly der: Bytes }[]): string {
  return chain.map(({ der }) => encodePem("CERTIFICATE", der)).join("");
}
