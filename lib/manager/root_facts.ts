import type { RootFacts } from "../cluster/root_record.ts";
import { CLUSTER, type Store } from "../cluster/store.ts";
import { type Certificate, readCertificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import { isForeign } from "../pki/profile.ts";
import { formatDigest, rootDigest } from "../pki/root_digest.ts";
import { bundleDigest } from "../pki/trust_bundle.ts";
import { mustCluster } from "./records.ts";
import { fromBase64 } from "../base/bytes.ts";

/** What a root's record says of its certificate. */
export async function rootFacts(
  crypto: Crypto,
  root: Certificate,
): Promise<RootFacts> {
  return {
    digest: formatDigest(await rootDigest(crypto, root.der)),
    keyId: root.subjectKeyId ?? "",
    bundle: await bundleDigest(crypto, { roots: [root] }),
    notAfter: root.notAfter,
    ...(!isForeign(root) && { own: true }),
  };
}

/** Writes the facts of the present root down where an older version did not. */
export async function ensureRootFacts(
  store: Store,
  crypto: Crypto,
): Promise<void> {
  const { root } = store.view(mustCluster);
  if (root.facts) return;
  const der = fromBase64(root.certificate);
  const facts = await rootFacts(crypto, await readCertificate(crypto, der));
  await store.update((tx) => {
    const cluster = mustCluster(tx);
    tx.put("cluster", CLUSTER, {
      ...cluster,
      root: { ...cluster.root, facts },
    });
  });
}
