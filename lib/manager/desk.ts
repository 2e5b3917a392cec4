import type { Bytes } from "../base/bytes.ts";
import type { SwarmdError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import type { NodePeer, Peer } from "../cluster/admission.ts";
import type { Connection, PeerFacts } from "../rpc/connection.ts";
import type { Method } from "../rpc/methods.ts";
import type { HelloResult } from "../rpc/schemas.ts";
import type { Carrier, NodeSession } from "./node_session.ts";
import type { Admitted } from "./roster.ts";
import type { WantedSession } from "./sessions.ts";
import type { Visitor } from "./waiting_room.ts";

/** A connection from its acceptance to its end. */
export interface Guest extends Admitted {
  readonly connection: Connection;
  /** Who is at the other end, as far as that is known. */
  readonly peer: Peer;
}

/** What a connection asks of the manager that accepted it. */
export interface Desk {
  readonly clock: Clock;
  /** Certificate that new handshakes get, SHA-256 in lower-case hex. */
  servingWith(): string;
  identify(facts: PeerFacts): Promise<Peer>;
  greeting(): HelloResult;
  nextBeat(): number;
  /**
   * Proves that this manager knows a token; `undefined` when it does not. The
   * fingerprint is that of the certificate which this connection was made with.
   */
  prove(
    token: string,
    challenge: { readonly nonce: Bytes; readonly leafFingerprint: string },
  ): Promise<Bytes | undefined>;
  /** From now on it is judged again whenever its node's record changes. */
  admitted(guest: Guest, nodeId: string): void;
  /** `undefined` when it is to resume and is not known here. */
  openSession(
    carrier: Carrier,
    peer: NodePeer,
    wanted: WantedSession,
  ): Promise<NodeSession | undefined>;
  /** Its session can be written to. */
  attached(nodeId: string): void;
  /** Serves the one call of a connection without a session. */
  serveOutside(
    method: Method,
    call: {
      readonly params: unknown;
      readonly peer: Peer;
      readonly address: string;
      readonly visitor: Visitor;
    },
  ): Promise<unknown>;
  beat(session: NodeSession, theirNow: number): void;
  refused(guest: Guest, error: SwarmdError): void;
  gone(guest: Guest, error?: unknown): void;
}
