import { toBase64, toHex } from "../../lib/base/bytes.ts";
import { newId } from "../../lib/base/random.ts";
import { HOUR } from "../../lib/base/time.ts";
import {
  type CertificateRecord,
  type NodeRecord,
  withPending,
} from "../../lib/cluster/node.ts";
import { bundleOf, issuerFor } from "../../lib/cluster/root_views.ts";
import type { Store } from "../../lib/cluster/store.ts";
import type { Guest } from "../../lib/manager/desk.ts";
import type { Manager } from "../../lib/manager/manager.ts";
import type { Carrier } from "../../lib/manager/node_session.ts";
import { mustCluster } from "../../lib/manager/records.ts";
import { systemClock, systemRandom } from "../../lib/net/system.ts";
import { newSerial } from "../../lib/pki/profile.ts";
import { decodeMessage } from "../../lib/rpc/message.ts";

/** Of a leaf and its issuer, in bytes. */
const CHAIN = [600, 450];
/** Records that are written in one transaction. */
const BATCH = 500;

/** What the nodes of a {@linkcode BareFleet} are of. */
export interface BareFleetParts {
  readonly store: Store;
  readonly manager: Manager;
}

/**
 * The nodes of a manager, without sockets, keys or processes: they have
 * records and sessions, and do in no time what they are asked for.
 */
export class BareFleet {
  /** Whether they hear what they are told. */
  deaf = false;
  readonly #parts: BareFleetParts;
  readonly #ids: string[] = [];

  constructor(parts: BareFleetParts) {
    this.#parts = parts;
  }

  /** Adds nodes that were seen and are described. */
  async add(count: number): Promise<void> {
    const { store } = this.#parts;
    for (let left = count; left > 0; left -= BATCH) {
      const ids = Array.from(
        { length: Math.min(left, BATCH) },
        () => newId(systemRandom),
      );
      await store.update((tx) => {
        for (const id of ids) {
          const current = certificate(this.#issuer());
          tx.put("node", id, { ...described(id), certificates: { current } });
        }
      });
      this.#ids.push(...ids);
    }
    for (const id of this.#ids) await this.#connect(id);
  }

  /** Opens a node's session, in place of the one that it has. */
  async #connect(id: string): Promise<void> {
    const { store, manager: { desk } } = this.#parts;
    const node = store.view((view) => view.get("node", id));
    if (!node) return;
    const { pending, current } = node.certificates;
    const presented = pending ?? current;
    if (!presented) return;
    const { fingerprint, notAfter, role } = presented;
    const nodePeer = {
      ...{ kind: "node", nodeId: id, role, fingerprint, notAfter } as const,
      certificate: pending ? "pending" : "current",
    } as const;
    const guest = this.#guest(id, nodePeer);
    const session = await desk.openSession(guest, nodePeer, {
      ...{ id: newId(systemRandom), instance: id, lastSeen: 0, resume: false },
      trusts: bundleOf(store.view(mustCluster)).digest,
    });
    desk.admitted(guest, id);
    session?.attach(guest, 0);
    desk.attached(id);
  }

  #guest(
    id: string,
    nodePeer: NonNullable<Guest["nodePeer"]>,
  ): Guest & Carrier {
    const { desk } = this.#parts.manager;
    let gone = false;
    const end = () => {
      if (!gone) desk.gone(guest);
      gone = true;
    };
    const guest: Guest & Carrier = {
      ...{ admittedAs: id, nodePeer, peer: { ...nodePeer } },
      connection: {
        facts: {
          remote: { host: "10.0.0.9", port: 40_000 },
          ...{ tlsVersion: "TLSv1.3", resumed: false, presented: [] },
        },
        queuedBytes: 0,
        ...{ start() {}, keep() {}, admit() {}, send() {} },
        ...{ close: end, destroy: end },
      },
      wire: { send: (payload) => void this.#told(id, payload) },
      servedWith: desk.servingWith(),
      ...{ rejudge() {}, retire: end, refuse: end },
      move: () => void this.#connect(id),
    };
    return guest;
  }

  async #told(id: string, payload: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.deaf) return;
    const message = decodeMessage(payload);
    if (!("method" in message)) return;
    if (message.method === "ca.bundle") await this.#connect(id);
    if (message.method === "node.renew-now") await this.#renew(id);
  }

  async #renew(id: string): Promise<void> {
    await this.#parts.store.update((tx) => {
      const node = tx.get("node", id);
      if (!node) return;
      tx.put("node", id, withPending(node, certificate(this.#issuer(node))));
    });
    await this.#connect(id);
  }

  #issuer(node?: NodeRecord): string {
    const { root } = issuerFor(this.#parts.store.view(mustCluster), {
      ...{ role: "worker", now: systemClock.now() },
      ...(node?.trusts !== undefined && { trusts: node.trusts }),
    });
    return root.facts?.keyId ?? "";
  }
}

function described(id: string): Omit<NodeRecord, "certificates"> {
  const createdAt = systemClock.now() - HOUR;
  return {
    ...{ id, role: "worker", admission: "active", tokenId: "bench" },
    ...{ createdAt, firstSeen: createdAt, address: "10.0.0.9" },
    description: {
      hostname: `host-${id}`,
      ...{ os: "linux", arch: "x86_64", version: "0.1.0" },
    },
  };
}

/** As long as a real one, and of nothing. */
function certificate(issuerKeyId: string): CertificateRecord {
  const issuedAt = systemClock.now();
  return {
    fingerprint: toHex(systemRandom.bytes(32)),
    serial: toHex(newSerial(systemRandom)),
    spki: toHex(systemRandom.bytes(32)),
    issuerKeyId,
    issuer: "O=swarmd, CN=swarmd root",
    role: "worker",
    ...{ issuedAt, notBefore: issuedAt - HOUR },
    notAfter: issuedAt + 24 * HOUR,
    chain: CHAIN.map((length) => toBase64(systemRandom.bytes(length))),
  };
}
