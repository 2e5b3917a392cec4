import { type Bytes, fromBase64 } from "../base/bytes.ts";
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
 * @throws {SwarmdError} `damaged-state` when the key ring does not open it
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
  const { privateKey } = await crypto.importPkcs8(pkcs8);
  const der = fromBase64(root.certificate);
  return { root: await readCertificate(crypto, der), key: privateKey };
}
