import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import type { RootFacts } from "../../lib/cluster/root_record.ts";
import type { RotationOrder } from "../../lib/cluster/root_rotation.ts";
import { nextGeneration, orderBase } from "../../lib/cluster/root_rotation.ts";
import { DAY } from "../../lib/base/time.ts";
import { cluster as sampleCluster } from "./samples.ts";
import { start } from "../../lib/cluster/root_rotation.ts";
import { advance } from "../../lib/cluster/rotation_steps.ts";
import { NOW } from "./samples.ts";

/*
 * Certificates as symbols: a root is its name, one letter; "H<G" is H signed by G, and "H<<G" the same marked as a successor.
 */

const FOREVER = 1e15;
const SEALED = { version: 1, data: "" };

/** A leaf, and what it is sent with. */
export interface Leaf {
  readonly print: string;
  readonly issuer: string;
  readonly chain: readonly string[];
}

/** The facts of a root with a name. */
export function factsOfRoot(name: string, { own = false } = {}): RootFacts {
  return {
    digest: `d:${name}`,
    keyId: name,
    bundle: name,
    notAfter: FOREVER,
    ...(own && { own }),
  };
}

/** The digest of a bundle. */
export function digestOf(bundle: readonly string[]): string {
  return bundle.toSorted().join("+");
}

/** Whether a leaf leads to an anchor, over what it is sent with and a pool. */
export function verifies(
  leaf: Leaf,
  anchors: readonly string[],
  pool: readonly string[] = [],
): boolean {
  if (anchors.includes(leaf.issuer)) return true;
  const reached = [leaf.issuer];
  for (const root of reached) {
    for (const cross of [...leaf.chain, ...pool]) {
      const signer = cross.at(-1) ?? "";
      if (cross[0] !== root || reached.includes(signer)) continue;
      if (anchors.includes(signer)) return true;
      reached.push(signer);
    }
  }
  return false;
}

/** Whether a cross-signature vouches for a root to who trusts a bundle. */
export function vouches(
  cross: string | undefined,
  { root, bundle }: {
    readonly root: string;
    readonly bundle: readonly string[];
  },
): boolean {
  return cross?.[0] === root && bundle.includes(cross.at(-1) ?? "");
}

/** A cluster whose first root is G. */
export function symbolicCluster(): ClusterRecord {
  const root = {
    generation: 1,
    certificate: "G",
    key: SEALED,
    facts: factsOfRoot("G"),
  };
  return sampleCluster({ root });
}

/** What begins a rotation to a root. */
export function orderFor(
  cluster: ClusterRecord,
  { name, now, trustFirst = false, own = false, quorum }: {
    readonly name: string;
    readonly now: number;
    readonly trustFirst?: boolean;
    /** Whether the target is a root of our own. */
    readonly own?: boolean;
    readonly quorum?: number;
  },
): RotationOrder {
  const old = cluster.root.certificate;
  const generation = nextGeneration(cluster);
  const notAfter = now + 200 * DAY;
  return {
    id: `${name}${generation}`,
    from: orderBase(cluster),
    present: factsOfRoot(old),
    target: {
      generation,
      certificate: name,
      key: SEALED,
      facts: factsOfRoot(name, { own }),
    },
    both: digestOf([old, name]),
    now,
    ...(quorum !== undefined && { quorum }),
    ...(trustFirst ? {} : {
      crossed: {
        cross: { certificate: `${name}<${old}`, notAfter },
        successor: { certificate: `${name}<<${old}`, notAfter },
      },
    }),
  };
}

/** Nobody is behind. */
export const ALL = { nodes: [], now: NOW };

/** A cluster whose next root is called H. */
export function rotating(
  change: { readonly trustFirst?: boolean; readonly name?: string } = {},
): ClusterRecord {
  const cluster = symbolicCluster();
  return start(cluster, orderFor(cluster, { name: "H", now: NOW, ...change }));
}

/** As if everyone had always been done. */
export function after(cluster: ClusterRecord, steps: number): ClusterRecord {
  let now = cluster;
  for (let i = 0; i < steps; i++) now = advance(now, ALL) ?? now;
  return now;
}
