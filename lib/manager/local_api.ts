import { fromBase64 } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import { type Clock, formatTime } from "../base/time.ts";
import type {
  CaSummary,
  DeniedSummary,
  ManagerStatus,
  RenewalStatus,
} from "../cluster/local_api.ts";
import type { NodeDetail } from "../cluster/local_nodes.ts";
import { isEnding } from "../cluster/expiry.ts";
import type { Store } from "../cluster/store.ts";
import { readCertificate } from "../pki/certificate.ts";
import type { Crypto } from "../pki/crypto.ts";
import { encodePem } from "../pki/pem.ts";
import { formatDigest, rootDigest } from "../pki/root_digest.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import {
  type Actions,
  answerLocally,
  type JsonText,
  type LocalAnswer,
  type LocalRequest,
} from "../rpc/local_answer.ts";
import { autolockActions, type AutolockParts } from "./autolock_actions.ts";
import { caActions, rotationSummary } from "./ca_actions.ts";
import { AuditDesk } from "./audit_desk.ts";
import { approvalActions, listApplicants } from "./approval_actions.ts";
import { clockActions } from "./clock_actions.ts";
import { clusterActions, summarise } from "./cluster_actions.ts";
import { findNode } from "./find_node.ts";
import { nodeActions } from "./node_actions.ts";
import { countNodes, listNodes } from "./node_lists.ts";
import {
  certificateSummary,
  nodeDetail,
  type NodeLook,
} from "./node_summaries.ts";
import { mustCluster } from "./records.ts";
import { listTokens, tokenActions } from "./token_actions.ts";
import type { Manager } from "./manager.ts";

/** What the operator's API looks at. */
export interface LocalApiParts {
  readonly manager: Manager;
  readonly store: Store;
  readonly crypto: Crypto;
  readonly version: string;
  /** Absent: the keys at rest are not looked after. */
  readonly autolock?: AutolockParts;
}

/** The same, and the time that counts for the manager. */
interface TimedParts extends LocalApiParts {
  readonly clock: Clock;
}

/**
 * Answers the operator of the machine that a manager runs on and, what the HTTP
 * API lets through, others. Every path is in docs/protocol.md.
 */
export class ManagerApi {
  readonly #parts: TimedParts;
  readonly #since: number;
  readonly #actions: Actions;
  readonly #audit: AuditDesk;

  constructor(given: LocalApiParts) {
    const { desk: { sessions }, nodeId, rotation, clockGuard } = given.manager;
    const parts = { ...given, clock: clockGuard.clock };
    this.#parts = parts;
    this.#audit = new AuditDesk({ ...parts, heads: parts.manager.heads });
    this.#actions = {
      ...this.#audit.actions,
      ...nodeActions({
        ...{ ...parts, sessions, nodeId },
        renewSelf: () => parts.manager.renewSelf(),
      }),
      ...approvalActions(parts),
      ...tokenActions({ ...parts, tokens: parts.manager.tokens }),
      ...clusterActions(parts),
      ...clockActions(clockGuard),
      ...caActions({ ...parts, rotation }),
      ...(parts.autolock && autolockActions(parts.autolock)),
      "/v1/leave": refuseToLeave,
      "/v1/drill/end": () => parts.manager.drill.end(),
    };
    this.#since = parts.clock.now();
  }

  /** What is only shown; the HTTP API asks here. */
  async answer(request: LocalRequest): Promise<LocalAnswer> {
    return await answerLocally(request, (path) => this.#route(path));
  }

  /** What only the operator of this machine may ask: changes, too. */
  async operate(request: LocalRequest): Promise<LocalAnswer> {
    const route = (path: string) => this.#route(path);
    return await answerLocally(request, route, this.#actions);
  }

  #route(path: string): unknown {
    const { manager } = this.#parts;
    const [, version, kind, name, ...rest] = path.split("/");
    if (version !== "v1" || rest.length > 0) return undefined;
    if (kind === "tokens" && (name === "worker" || name === "manager")) {
      return this.#token(name);
    }
    if (kind === "nodes" && name !== undefined) return this.#node(name);
    if (kind === "ca" && name === "status") {
      const { store } = this.#parts;
      return rotationSummary({ store, rotation: manager.rotation });
    }
    if (name !== undefined) return undefined;
    if (kind === "status") return this.#status();
    if (kind === "nodes") return this.#nodes();
    if (kind === "applicants") return listApplicants(this.#parts);
    if (kind === "tokens") return listTokens(this.#parts);
    if (kind === "cluster") {
      return summarise(this.#parts.store.view(mustCluster));
    }
    if (kind === "ca") return this.#ca();
    if (kind === "denylist") return this.#denylist();
    if (kind === "audit") return this.#audit.summary();
    if (kind === "drill") {
      const { desk, drill: { reports: workers }, issued } = manager;
      return { workers, refused: desk.refusals, issued };
    }
    return undefined;
  }

  async #token(role: "worker" | "manager") {
    return { token: await this.#parts.manager.tokens.show(role) };
  }

  /** Soonest end first: what is about to be forgotten. */
  #denylist(): DeniedSummary[] {
    return [...this.#parts.manager.denylist.all()]
      .sort((a, b) => a.until - b.until)
      .map(({ serial, nodeId: node, until, reason }) => ({
        serial,
        node,
        until: iso(until),
        reason,
      }));
  }

  async #ca(): Promise<CaSummary> {
    const { store, crypto } = this.#parts;
    const { root } = store.view(mustCluster);
    const der = fromBase64(root.certificate);
    const { notAfter } = await readCertificate(crypto, der);
    return {
      rootDigest: await this.#rootDigest(),
      pem: encodePem("CERTIFICATE", der),
      notAfter: formatTime(notAfter),
      generation: root.generation,
    };
  }

  async #rootDigest(): Promise<string> {
    const { store, crypto } = this.#parts;
    const der = fromBase64(store.view(mustCluster).root.certificate);
    return formatDigest(await rootDigest(crypto, der));
  }

  async #status(): Promise<ManagerStatus> {
    const { manager, store, version } = this.#parts;
    const cluster = store.view(mustCluster);
    const nodes = await countNodes(store, await this.#look());
    const own = store.view((view) => view.get("node", manager.nodeId));
    const { endpoint } = manager;
    return {
      role: "manager",
      state: "serving",
      since: iso(this.#since),
      node: manager.nodeId,
      cluster: cluster.id,
      version,
      listen: endpoint ? formatEndpoint(endpoint) : "",
      drill: cluster.drill,
      autolock: this.#parts.autolock?.keys.locked ?? false,
      nodes,
      certificate: certificateSummary(own?.certificates.current),
      renewal: this.#renewal(),
      clock: {},
      trustRoot: await this.#rootDigest(),
      managers: [...cluster.managers],
      alarms: this.#alarms(cluster.leafLifeMs),
    };
  }

  #alarms(leafLifeMs: number): string[] {
    const { manager, clock } = this.#parts;
    const { issuer } = manager;
    const now = clock.now();
    const { alarm } = manager.heads;
    const others = [
      ...this.#storeAlarms(),
      ...this.#keyAlarms(),
      ...manager.authorityAlarms,
      ...manager.rotation.alarms(),
      ...[alarm, manager.desk.alarm, manager.clockGuard.alarm]
        .flatMap((each) => each ?? []),
    ];
    if (!isEnding(issuer, { now, leafLifeMs })) return others;
    return [
      ...others,
      `The authority ends at ${
        formatTime(issuer.notAfter)
      }, and no certificate ` +
      "outlives it: rotate it with `swarmd ca rotate`",
    ];
  }

  #storeAlarms(): string[] {
    const { fault } = this.#parts.store;
    if (fault === undefined) return [];
    return [
      `Nothing can be written down, so that nothing is issued, removed or changed: ${fault}`,
    ];
  }

  #keyAlarms(): string[] {
    const { unfinished } = this.#parts.autolock?.keys ?? {};
    if (unfinished === undefined) return [];
    return [
      `Not all secrets are sealed under the newest cluster key alone, which is tried again: ${unfinished}`,
    ];
  }

  #renewal(): RenewalStatus {
    const { dueAt, failures, lastFailure } = this.#parts.manager.renewal;
    return {
      state: failures > 0 ? "failing" : "idle",
      dueAt: iso(dueAt),
      failures,
      ...(lastFailure && {
        lastError: lastFailure.error,
        lastAt: iso(lastFailure.at),
      }),
    };
  }

  async #nodes(): Promise<JsonText> {
    return await listNodes(this.#parts.store, await this.#look());
  }

  /** By id, or by a prefix that no other node has. */
  async #node(prefix: string): Promise<NodeDetail> {
    const look = await this.#look();
    const node = this.#parts.store.view((view) => findNode(view, prefix));
    return nodeDetail(node, look);
  }

  async #look(): Promise<NodeLook> {
    const { manager: { nodeId, desk: { sessions } }, store, clock } =
      this.#parts;
    const { heartbeatMs } = store.view(mustCluster);
    const root = await this.#rootDigest();
    return { sessions, clock, heartbeatMs, nodeId, root };
  }
}

function refuseToLeave(): never {
  throw new SwarmdError(
    "precondition",
    "Cannot leave: this node is a manager",
    {
      verdict: "stop",
      hint:
        "Its cluster ends with it: stop it, and delete its state directory; workers leave with `swarmd leave` on their own machines",
    },
  );
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
