import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import {
  type CertificateRecord,
  dropPrevious,
  type NodeRecord,
  promotePending,
} from "../../lib/cluster/node.ts";
import type { Bundle } from "../../lib/cluster/root_views.ts";
import type { Role } from "../../lib/pki/profile.ts";
import { type Leaf, symbolicCluster } from "./rotation_symbols.ts";
import { certificate } from "./samples.ts";

/** How often each thing that nobody needs may happen on one way. */
export interface Budget {
  /** Roots that are still to come, in order. */
  readonly targets: readonly string[];
  readonly aborts: number;
  readonly replaces: number;
  readonly finishes: number;
  readonly deadlines: number;
  /** Steps of 11 minutes. */
  readonly ticks: number;
  /** Steps of 8 days. */
  readonly weeks: number;
  readonly offlines: number;
  readonly restarts: number;
  /** Answers that get lost after the manager acted. */
  readonly losses: number;
}

/** A rule that is broken, to see that the model notices. */
export type Mutation =
  | "back at once"
  | "chain of the phase"
  | "early links"
  | "no grace"
  | "no time for joiners"
  | "nobody vouches back";

/** What is explored. */
export interface Setup {
  readonly workers: readonly string[];
  readonly joiner: boolean;
  readonly trustFirst?: boolean;
  /** Roots of our own: who trusts one takes no other on a manager's word. */
  readonly own?: readonly string[];
  readonly quorum?: number;
  readonly budget: Budget;
  readonly mutation?: Mutation;
}

/** What a node holds on disk. */
export interface Disk {
  readonly leaf: Leaf;
  readonly bundle: readonly string[];
}

/** A node, and what the store knows of it. */
export interface ModelNode {
  readonly name: string;
  readonly role: Role;
  readonly online: boolean;
  /** `stale`: its connection was made with another leaf or bundle. */
  readonly connection: "none" | "stale" | "fresh";
  readonly disk?: Disk;
  /** An answer that is received and not saved yet. */
  readonly received?: Leaf;
  /** Bundles that were sent to it, oldest first. */
  readonly inbox: readonly Bundle[];
  /** What it was sent since its last `hello`. */
  readonly pushed?: Bundle;
  /** What a joiner trusts after it asked for the root. */
  readonly pinned?: string;
  readonly record?: NodeRecord;
  /** Nobody waited for it when a rotation ended. */
  readonly behind: boolean;
}

/** One state of everything. */
export interface ModelState {
  readonly cluster: ClusterRecord;
  readonly now: number;
  /** The manager first. */
  readonly nodes: readonly ModelNode[];
  /** Root that the joiner's token pins. */
  readonly token: string;
  readonly budget: Budget;
}

/** The first state. */
export function firstState(setup: Setup): ModelState {
  const cluster = symbolicCluster();
  const old = (name: string, role: Role): ModelNode => ({
    name,
    role,
    online: true,
    connection: "fresh",
    disk: { leaf: { print: "a", issuer: "G", chain: [] }, bundle: ["G"] },
    inbox: [],
    record: {
      ...blankRecord(name, role),
      certificates: {
        current: recordOf({ print: "a", issuer: "G", chain: [] }, 0),
      },
      firstSeen: 0,
      trusts: "G",
    },
    behind: false,
  });
  const joiner: ModelNode = {
    name: "j",
    role: "worker",
    online: true,
    connection: "none",
    inbox: [],
    behind: false,
  };
  return {
    cluster,
    now: 0,
    nodes: [
      old("m", "manager"),
      ...setup.workers.map((name) => old(name, "worker")),
      ...(setup.joiner ? [joiner] : []),
    ],
    token: "G",
    budget: setup.budget,
  };
}

/** A record that holds nothing yet. */
export function blankRecord(id: string, role: Role): NodeRecord {
  return { id, role, admission: "active", createdAt: 0, certificates: {} };
}

/** What the store knows of a leaf. */
export function recordOf(leaf: Leaf, issuedAt: number): CertificateRecord {
  return certificate(leaf.print, {
    fingerprint: leaf.print,
    issuerKeyId: leaf.issuer,
    issuedAt,
    chain: leaf.chain,
  });
}

/** The record after a leaf was seen. */
export function promoted(record: NodeRecord, leaf: Leaf): NodeRecord {
  if (record.certificates.pending?.fingerprint !== leaf.print) return record;
  const { node } = promotePending(record, 0);
  return dropPrevious(node, Infinity).node;
}

/** A print that nothing of the node has: at most three are in use at once. */
export function freshPrint({ disk, received, record }: ModelNode): string {
  const { current, pending } = record?.certificates ?? {};
  const used = [
    disk?.leaf.print,
    received?.print,
    current?.fingerprint,
    pending?.fingerprint,
  ];
  return ["a", "b", "c", "d", "e"].find((each) => !used.includes(each)) ?? "f";
}

/** The same state has one form: prints in order of their use. */
export function tidy(node: ModelNode): ModelNode {
  const { disk, received, record } = node;
  const { current, pending } = record?.certificates ?? {};
  const used = [
    current?.fingerprint,
    pending?.fingerprint,
    disk?.leaf.print,
    received?.print,
  ].filter((each) => each !== undefined);
  const order = [...new Set(used)];
  if (order.every((each, i) => each === "abcdef"[i])) return node;
  const renamed = (print: string) => "abcdef"[order.indexOf(print)] ?? "?";
  const leaf = (l: Leaf): Leaf => ({ ...l, print: renamed(l.print) });
  const entry = (c: CertificateRecord): CertificateRecord => ({
    ...c,
    fingerprint: renamed(c.fingerprint),
  });
  return {
    ...node,
    ...(disk && { disk: { ...disk, leaf: leaf(disk.leaf) } }),
    ...(received && { received: leaf(received) }),
    ...(record && {
      record: {
        ...record,
        certificates: {
          ...(current && { current: entry(current) }),
          ...(pending && { pending: entry(pending) }),
        },
      },
    }),
  };
}
