import { describeError, SwarmdError } from "../base/errors.ts";
import type { LogThrottle } from "../base/log_throttle.ts";
import type { NodePeer } from "../cluster/admission.ts";
import { authorize } from "../rpc/authorize.ts";
import { type Method, METHODS, parseAs } from "../rpc/methods.ts";
import type { Handlers } from "./handlers.ts";
import type { NodeSession } from "./node_session.ts";
import type { Refusals } from "./refusals.ts";

/** What calls in sessions work with. */
export interface SessionCallParts {
  readonly handlers: Pick<Handlers, "serve">;
  readonly refusals: Refusals;
  /** A node can cause these lines as often as it likes. */
  readonly throttle: LogThrottle;
}

/** What came in a session and is for the manager itself. */
export interface SessionMessage {
  readonly name: string;
  readonly params: unknown;
  readonly kind: "request" | "notification";
}

/** Serves what nodes say in their sessions, as far as they may say it now. */
export class SessionCalls {
  readonly #parts: SessionCallParts;

  constructor(parts: SessionCallParts) {
    this.#parts = parts;
  }

  /** @throws {SwarmdError} what it is refused with */
  serve(session: NodeSession, { name, params, kind }: SessionMessage): unknown {
    const { connection } = session;
    const peer = connection?.nodePeer;
    if (!connection || !peer) {
      throw new SwarmdError("session-ended", "The session has no connection");
    }
    const address = connection.connection.facts.remote.host;
    const method = this.#authorize(peer, { name, address });
    const row = METHODS[method];
    if (row.carriage !== "session" || row.kind !== kind) {
      throw new SwarmdError("bad-message", `"${method}" is no ${kind} here`);
    }
    const parsed = parseAs(row.params, { value: params, what: method });
    const { handlers } = this.#parts;
    return handlers.serve(method, { params: parsed, peer, address, session });
  }

  /** Nobody waits for it: a failure goes to the log. */
  notified(session: NodeSession, message: SessionMessage): void {
    // One that comes later, of a full disk say, is to be caught as well.
    new Promise((done) => done(this.serve(session, message)))
      .catch((error) => {
        this.#parts.throttle.warn("Notification refused", {
          node: session.nodeId,
          method: message.name,
          error: describeError(error),
        });
      });
  }

  #authorize(
    peer: NodePeer,
    { name, address: by }: { readonly name: string; readonly address: string },
  ): Method {
    try {
      return authorize(peer, name);
    } catch (error) {
      this.#parts.refusals.note({ node: peer.nodeId, by, error });
      throw error;
    }
  }
}
