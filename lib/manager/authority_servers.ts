import { equalBytes, fromBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { audit } from "../cluster/audit.ts";
import type { ClusterRecord } from "../cluster/cluster.ts";
import { CLUSTER } from "../cluster/store.ts";
import { newestKey } from "../pki/sealed.ts";
import { type AuthoritySource, makeRoot } from "./authority_source.ts";
import { mustCluster } from "./records.ts";
import type { RotationParts } from "./rotation_parts.ts";

/**
 * Whether what an operator names is the present authority elsewhere: then only
 * its servers may have changed, and no node has to be told.
 */
export function isPresentAuthority(
  { root, rotation }: ClusterRecord,
  { anchor, signs }: AuthoritySource,
): boolean {
  return "external" in signs && root.external !== undefined && !rotation &&
    equalBytes(fromBase64(root.certificate), anchor.der);
}

/**
 * Has other servers sign for the present authority from now on, in the order in
 * which they are given. They were tried before.
 *
 * @throws {SwarmdError} `precondition` when the authority has changed meanwhile
 */
export async function changeServers(
  parts: RotationParts,
  source: AuthoritySource,
): Promise<void> {
  const { store, keyRing, clock, authorities, logger } = parts;
  const { root } = store.view(mustCluster);
  const { generation } = root;
  const { record: { external = [] } } = await makeRoot({
    ...parts,
    now: clock.now(),
    sealing: newestKey(keyRing),
    generation,
    source,
  });
  const use = await authorities.external.prepare(
    { ...root, external },
    authorities.root,
  );
  const why = `the authority has ${external.length} servers, as now given`;
  await store.update((tx) => {
    const cluster = mustCluster(tx);
    if (!isPresentAuthority(cluster, source)) throw changed();
    tx.put("cluster", CLUSTER, {
      ...cluster,
      root: { ...cluster.root, external },
    });
    const at = clock.now();
    audit(tx, { at, action: "rotation", by: "operator", why });
  });
  use();
  logger.warn("The servers of the authority were changed", {
    servers: external.length,
  });
}

function changed(): SwarmdError {
  return new SwarmdError(
    "precondition",
    "Cannot change the servers of the authority: the root changed meanwhile",
    { verdict: "stop", hint: "Look at `swarmd ca status` and order again" },
  );
}
