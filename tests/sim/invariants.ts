import { toBase64, toHex } from "../../lib/base/bytes.ts";
import type { CertificateRecord, NodeRecord } from "../../lib/cluster/node.ts";
import type { Change } from "../../lib/cluster/store.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import type { StoredIdentity } from "../../lib/pki/identity_store.ts";
import { sha256 } from "../fakes/sha256.ts";
import { spkiOf } from "../fakes/sim_crypto.ts";
import type { WorkerMachine } from "./worker_machine.ts";

/**
 * What must never happen (trust.md §8), checked after each step that touched a
 * node. It keeps its own copy of the records, from what was committed.
 */
export class Invariants {
  readonly #fail: (text: string) => void;
  readonly records = new Map<string, NodeRecord>();
  readonly removed = new Set<string>();
  readonly #issued = new Set<string>();
  /** Node of every certificate and key that was ever accepted. */
  readonly #holders = new Map<string, string>();
  /** Key ids of the roots that were cut off. */
  readonly #compromised = new Set<string>();
  /** The same roots, DER in base64. */
  readonly #cutRoots = new Set<string>();
  /** The machine that became a node when it joined. */
  readonly #machines = new Map<string, WorkerMachine>();

  constructor(fail: (text: string) => void) {
    this.#fail = fail;
  }

  /** Certificates that were issued. */
  get issued(): number {
    return this.#issued.size;
  }

  committed(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === "cluster") this.#clusterWritten(change);
    }
    for (const change of changes) {
      if (change.kind === "audit") this.#audited(change.entry);
    }
    for (const change of changes) {
      if (change.kind !== "node") continue;
      if (change.after) this.#written(change.after);
      else this.#gone(change.id);
    }
  }

  /** A machine became a node. */
  joined(machine: WorkerMachine, nodeId: string): void {
    const before = this.#machines.get(nodeId);
    if (before && before !== machine) {
      this.#fail(
        `Invariant 1: ${before.name} and ${machine.name} joined as ${nodeId}`,
      );
    }
    this.#machines.set(nodeId, machine);
    this.checkDisk(machine);
  }

  /** Only the machine that joined, or an exact copy of it, is a node. */
  connected(machine: WorkerMachine, nodeId: string): void {
    const joined = this.#machines.get(nodeId);
    // It died between joining and telling.
    if (!joined) return this.joined(machine, nodeId);
    if (joined.binding === machine.binding) return;
    this.#fail(
      `Invariant 1: ${machine.name} is connected as ${nodeId}, which is ${joined.name}`,
    );
  }

  /** Invariant 2: what lies on the disk is whole, and is accepted. */
  checkDisk(machine: WorkerMachine): void {
    if (machine.spoilt !== undefined || machine.retired) return;
    const problem = this.diskProblem(machine);
    if (problem === undefined) return;
    this.#fail(`Invariant 2: the disk of ${machine.name} holds ${problem}`);
  }

  /** What is wrong with the identity on a disk, if anything. */
  diskProblem(machine: WorkerMachine): string | undefined {
    // One that was saved and never used gives way to the one before it.
    const kept = machine.disk.image.content.identities;
    const problems = kept.map((identity) => this.#problemOf(identity));
    return problems.includes(undefined) ? undefined : problems.at(-1);
  }

  #problemOf(identity: StoredIdentity): string | undefined {
    const { fingerprint, spki } = readPems(identity);
    const record = this.records.get(this.#holders.get(fingerprint) ?? "");
    const { current, pending, previous } = record?.certificates ?? {};
    const accepted = [current, pending, previous]
      .find((certificate) => certificate?.fingerprint === fingerprint);
    if (!accepted) return "a certificate that no manager accepts";
    if (accepted.spki !== spki) return "a key that is not the certificate's";
    if (accepted === previous) return "a certificate that was replaced";
    return undefined;
  }

  /** The record's view of the certificate on a machine's disk. */
  certificateOf(machine: WorkerMachine): CertificateRecord | undefined {
    const { identity } = machine.disk;
    if (!identity) return undefined;
    const { fingerprint } = readPems(identity);
    const record = this.records.get(this.#holders.get(fingerprint) ?? "");
    return record && certificatesOf(record)
      .find((certificate) => certificate.fingerprint === fingerprint);
  }

  /** Whether a manager has a certificate, and not as one that was replaced. */
  isHeld(identity: StoredIdentity): boolean {
    return this.#problemOf(identity) === undefined;
  }

  /** Key id of the issuer of a certificate that is accepted. */
  issuerOf(fingerprint: string): string | undefined {
    const record = this.records.get(this.#holders.get(fingerprint) ?? "");
    return record && certificatesOf(record)
      .find((each) => each.fingerprint === fingerprint)?.issuerKeyId;
  }

  /** Whether what lies on a machine's disk leans on a root that was cut off. */
  isCutOff(machine: WorkerMachine): boolean {
    const { identity } = machine.disk;
    if (!identity || this.#cutRoots.size === 0) return false;
    const { fingerprint } = readPems(identity);
    if (this.#compromised.has(this.issuerOf(fingerprint) ?? "")) return true;
    return decodePem(identity.rootsPem, "CERTIFICATE")
      .every((der) => this.#cutRoots.has(toBase64(der)));
  }

  #clusterWritten({ before, after }: Extract<Change, { kind: "cluster" }>) {
    const { compromised = [] } = after ?? {};
    const more = compromised.filter((keyId) => !this.#compromised.has(keyId));
    if (!before || more.length === 0) return;
    for (const keyId of more) this.#compromised.add(keyId);
    for (const root of [before.root, before.rotation?.target]) {
      if (root) this.#cutRoots.add(root.certificate);
    }
  }

  #audited(entry: { action: string; fingerprint?: string; node?: string }) {
    if (entry.action !== "issued" && entry.action !== "recovered") return;
    const { fingerprint, node } = entry;
    if (fingerprint) this.#issued.add(fingerprint);
    if (node !== undefined && this.removed.has(node)) {
      this.#fail(`Invariant 3: removed node ${node} got a certificate`);
    }
  }

  #written(record: NodeRecord): void {
    if (this.removed.has(record.id)) {
      this.#fail(`Invariant 3: removed node ${record.id} came back`);
    }
    this.records.set(record.id, record);
    for (const certificate of certificatesOf(record)) {
      this.#accepted(certificate, record.id);
    }
    const machine = this.#machines.get(record.id);
    if (machine) this.checkDisk(machine);
  }

  #gone(nodeId: string): void {
    this.records.delete(nodeId);
    this.removed.add(nodeId);
  }

  #accepted({ fingerprint, spki }: CertificateRecord, nodeId: string): void {
    if (!this.#issued.has(fingerprint)) {
      this.#fail(
        `Invariant 4: ${fingerprint} of ${nodeId} is not in the audit log`,
      );
    }
    for (const held of [fingerprint, spki]) {
      const holder = this.#holders.get(held) ?? nodeId;
      if (holder !== nodeId) {
        this.#fail(`Invariant 1: ${held} is of ${holder} and of ${nodeId}`);
      }
      this.#holders.set(held, nodeId);
    }
  }
}

function certificatesOf({ certificates }: NodeRecord): CertificateRecord[] {
  const { current, pending, previous } = certificates;
  return [current, pending, previous].filter((each) => each !== undefined);
}

interface Prints {
  readonly fingerprint: string;
  readonly spki: string;
}

const known = new WeakMap<StoredIdentity, Prints>();

function readPems(identity: StoredIdentity): Prints {
  const before = known.get(identity);
  if (before) return before;
  const [leaf = new Uint8Array()] = decodePem(
    identity.certificatePem,
    "CERTIFICATE",
  );
  const [pkcs8 = new Uint8Array()] = decodePem(identity.keyPem, "PRIVATE KEY");
  const fingerprint = toHex(sha256(leaf));
  const prints = { fingerprint, spki: toHex(sha256(spkiOf(pkcs8))) };
  known.set(identity, prints);
  return prints;
}
