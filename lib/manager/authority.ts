import { type Bytes, equalBytes, fromBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Store } from "../cluster/store.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import type { Crypto, PrivateKey } from "../pki/crypto.ts";
import { openValue } from "../pki/sealed.ts";
import { rootKeyName } from "./bootstrap.ts";
import { mustCluster } from "./records.ts";

/** The root of the cluster, with the key that signs under it. */
export interface Authority {
  readonly root: Certificate;
  readonly key: PrivateKey;
}

/**
 * Opens the cluster's root key.
 *
 * @throws {SwarmdError} `damaged-state` when the key ring does not open it, or
 * it is not the root certificate's
 */
export async function openAuthority(
  parts: {
    readonly store: Store;
    readonly crypto: Crypto;
    readonly keyRing: ReadonlyMap<number, Bytes>;
  },
): Promise<Authority> {
  const { store, crypto, keyRing } = parts;
  const { root } = store.view(mustCluster);
  const pkcs8 = await openValue(crypto, {
    ring: keyRing,
    name: rootKeyName(root.generation),
    value: root.key,
  });
  const key = await crypto.importPkcs8(pkcs8);
  const der = fromBase64(root.certificate);
  const certificate = await readCertificate(crypto, der);
  if (!equalBytes(key.spki, certificate.spki)) {
    throw new SwarmdError(
      "damaged-state",
      "Cannot sign: the root key in the store is not that of the root certificate",
      { verdict: "stop", hint: "Restore swarmd.db from a backup" },
    );
  }
  return { root: certificate, key: key.privateKey };
}
