import { fromBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Clock } from "../base/time.ts";
import type { NodePeer, Peer } from "../cluster/admission.ts";
import { removeNode } from "../cluster/removal.ts";
import type { SuccessionLink } from "../cluster/root_record.ts";
import { caRootAnswer, successionFrom } from "../cluster/root_views.ts";
import type { Store } from "../cluster/store.ts";
import type { Method, Params } from "../rpc/methods.ts";
import type { RegisterParams } from "../rpc/schemas.ts";
import { Descriptions } from "./descriptions.ts";
import type { DrillDesk } from "./drill_desk.ts";
import type { Issuance } from "./issuance.ts";
import { mustCluster } from "./records.ts";
import type { NodeSession } from "./node_session.ts";
import type { Recoveries } from "./recoveries.ts";
import type { RehearsalDesk } from "./rehearsal.ts";
import type { Refusals } from "./refusals.ts";
import type { Tokens } from "./tokens.ts";
import { type Visitor, WaitingRoom } from "./waiting_room.ts";

/** What handlers work with. */
export interface HandlerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly issuance: Issuance;
  readonly recoveries: Recoveries;
  readonly tokens: Tokens;
  readonly drill: DrillDesk;
  readonly rehearsal: Pick<RehearsalDesk, "serve" | "told">;
  readonly refusals: Refusals;
  /** Id of this manager's node. */
  readonly nodeId: string;
}

/** A call that was authorized and whose parameters were parsed. */
export interface ServedCall {
  readonly params: unknown;
  readonly peer: Peer;
  /** Address of the caller. */
  readonly address: string;
  /** Absent for a call outside a session. */
  readonly session?: NodeSession;
  /** The connection of a call outside a session, which is all that it does. */
  readonly visitor?: Visitor;
}

type Handler<M extends Method> = (
  params: Params<M>,
  call: ServedCall,
) => unknown;

/** What this manager does for each method. A method without a handler does not type-check. */
export class Handlers {
  readonly descriptions: Descriptions;
  readonly waitingRoom: WaitingRoom;
  readonly #parts: HandlerParts;
  readonly #handlers: { readonly [M in Method]: Handler<M> };

  constructor(parts: HandlerParts) {
    this.#parts = parts;
    this.descriptions = new Descriptions(parts);
    this.waitingRoom = new WaitingRoom(parts);
    this.#handlers = {
      "hello": () => alreadyServed("hello"),
      "heartbeat": () => alreadyServed("heartbeat"),
      "ca.root": (params) => this.#caRoot(params),
      "ca.succession": (params) => this.#succession(params),
      "join": (params, call) => this.#join(params, call),
      "recover": (params, call) => this.#recover(params, call),
      "node.register": (params, call) => this.#register(params, call),
      "node.renew": (params, call) => this.#renew(params, call),
      "node.rehearse": (params, call) =>
        this.#parts.rehearsal.serve(mustNode(call).nodeId, params),
      "node.rehearsed": (params, call) =>
        this.#parts.rehearsal.told(mustNode(call).nodeId, params),
      "node.leave": (_params, call) => this.#leave(call),
      "audit.kept": (params, call) => this.#kept(params, call),
      "drill.number": (params, call) => this.#drill(params, call),
    };
  }

  /** @throws {SwarmdError} what the method's handler refuses with */
  serve(method: Method, call: ServedCall): unknown {
    // The table parsed the parameters with the schema of this very method.
    const handler = this.#handlers[method] as Handler<Method>;
    return handler(call.params as Params<Method>, call);
  }

  #drill(params: Params<"drill.number">, call: ServedCall): void {
    const { store, drill } = this.#parts;
    if (store.view(mustCluster).drill) drill.read(mustSession(call), params);
    else throw new SwarmdError("unknown-method", "This is no drill cluster");
  }

  #caRoot({ digest }: Params<"ca.root">): unknown {
    const { store, clock } = this.#parts;
    const cluster = store.view(mustCluster);
    const answer = caRootAnswer(cluster, { digest, now: clock.now() });
    if (!answer) {
      throw new SwarmdError(
        "root-mismatch",
        "This cluster has no root of the digest that the token carries",
        { verdict: "stop" },
      );
    }
    return { certificate: answer.certificate, links: fitting(answer.links) };
  }

  /** The way from what a node trusts to the present root. */
  #succession({ digests }: Params<"ca.succession">): unknown {
    const { store, clock } = this.#parts;
    const cluster = store.view(mustCluster);
    const links = successionFrom(cluster, { digests, now: clock.now() });
    if (links) return { links: fitting(links) };
    throw new SwarmdError(
      "root-mismatch",
      "No succession leads from those roots to the root of this cluster",
    );
  }

  async #recover(params: Params<"recover">, call: ServedCall) {
    const { recoveries, refusals } = this.#parts;
    const { peer, address: by } = call;
    if (peer.kind !== "recovering") {
      throw new SwarmdError("role", "The call needs a certificate that ended");
    }
    const { csr: base64, now } = params;
    const csr = fromBase64(base64);
    return await refusals.noting(
      { node: peer.nodeId, by },
      async () => {
        this.#mustBeAnother(peer.nodeId);
        recoveries.hear(peer, now); // once: later it is not what its clock says
        const ask = () => recoveries.recover({ csr, peer, by });
        return await this.waitingRoom.until(ask, mustVisitor(call));
      },
    );
  }

  async #join(params: Params<"join">, call: ServedCall): Promise<unknown> {
    // Cheapest and most telling check first: the token, then the signature.
    const tokenId = await this.#parts.tokens.check(params.secret);
    const { issuance, refusals } = this.#parts;
    const { description } = params;
    const { address: by } = call;
    const csr = fromBase64(params.csr);
    const ask = () => issuance.join({ tokenId, csr, description, by });
    return await refusals.noting(
      { token: tokenId, by },
      () => this.waitingRoom.until(ask, mustVisitor(call)),
    );
  }

  async #renew(params: Params<"node.renew">, call: ServedCall) {
    const { nodeId, fingerprint } = mustNode(call);
    const { issuance, refusals } = this.#parts;
    const csr = fromBase64(params.csr);
    const who = { node: nodeId, by: call.address };
    return await refusals.noting(who, async () => {
      this.#mustBeAnother(nodeId);
      return await issuance.renew({ csr, nodeId, fingerprint, by: nodeId });
    });
  }

  /**
   * This manager renews by itself and never asks over the network: whoever does
   * in its name has its key. A session is refused before (`Frontdesk`).
   */
  #mustBeAnother(nodeId: string): void {
    if (nodeId !== this.#parts.nodeId) return;
    throw new SwarmdError(
      "not-owner",
      "Cannot serve this call: the identity is this manager's own",
      { verdict: "stop" },
    );
  }

  /** A node that goes by itself is removed like any other. */
  async #leave(call: ServedCall) {
    const { store, clock } = this.#parts;
    const { nodeId } = mustNode(call);
    this.#mustBeAnother(nodeId);
    const why = "it left by itself";
    const now = clock.now();
    await store.update((tx) =>
      removeNode(tx, { nodeId, by: nodeId, why, now })
    );
    return {};
  }

  /** Of another manager's log it says nothing here. */
  #kept(head: Params<"audit.kept">, call: ServedCall) {
    if (head.manager === this.#parts.nodeId) mustSession(call).keptHead = head;
    return {};
  }

  async #register(params: RegisterParams, call: ServedCall) {
    const session = mustSession(call);
    const { hostname, os, arch, version } = params;
    const description = { hostname, os, arch, version };
    session.description = description;
    session.trustRoot = params.trustRoot;
    session.problem = params.problem;
    session.skewMs = params.now - this.#parts.clock.now();
    const { address } = call;
    await this.descriptions.describe(session.nodeId, { description, address });
    return {};
  }
}

/** Of links, in base64: below the largest frame of a peer that is a stranger. */
const MAX_LINKS_TEXT = 60_000;

/** As many as go into one answer; who walks them asks from there again. */
function fitting(links: readonly SuccessionLink[]) {
  let length = 0;
  const fits = links.filter(({ root, cross }, i) => {
    length += root.length + cross.length;
    return i === 0 || length <= MAX_LINKS_TEXT;
  });
  return fits.map(({ root, cross }) => ({ root, cross }));
}

function alreadyServed(method: string): never {
  throw new SwarmdError("bad-message", `"${method}" is not expected here`);
}

function mustSession(call: ServedCall): NodeSession {
  if (call.session) return call.session;
  throw new SwarmdError("bad-message", "The call needs a session");
}

function mustVisitor(call: ServedCall): Visitor {
  if (call.visitor) return call.visitor;
  throw new SwarmdError(
    "bad-message",
    "The call needs a connection of its own",
  );
}

function mustNode(call: ServedCall): NodePeer {
  if (call.peer.kind === "node") return call.peer;
  throw new SwarmdError("anonymous", "The call needs a node's certificate");
}
