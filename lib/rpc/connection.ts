import type { Bytes } from "../base/bytes.ts";
import type { SwarmdError } from "../base/errors.ts";

/** Largest frame from a peer that is not admitted yet, in bytes. */
export const MAX_GREETING_FRAME = 64 * 1024;
/** Largest frame from an admitted peer, in bytes. */
export const MAX_FRAME = 1024 * 1024;

/** A manager's address. IPv6 hosts without brackets. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What TLS saw of the peer. Facts only: who it is, is decided elsewhere. */
export interface PeerFacts {
  /** Remote IP address and port. */
  readonly remote: Endpoint;
  /** Such as `TLSv1.3`; empty where the client side cannot tell. */
  readonly tlsVersion: string;
  /** Whether this was a resumption, which skips certificate checks (T1). */
  readonly resumed: boolean;
  /** DER as the peer really sent it, leaf first; empty when it sent none. */
  readonly presented: readonly Bytes[];
  /**
   * Fingerprint of the leaf that a server showed it in this handshake, which is
   * not the newest where that one came meanwhile; absent: not known.
   */
  readonly servedLeaf?: string;
}

/** What happens on a connection. */
export interface ConnectionHandler {
  /** One whole frame's payload. */
  message(payload: Bytes): void;
  /**
   * What came is no frame, and nothing more is read. Whoever takes this up ends
   * the connection, and may say why before; without it, it is ended at once.
   */
  unreadable?(error: SwarmdError): void;
  /** Called once, last. With the error when it did not end in order. */
  closed(error?: unknown): void;
}

/**
 * Whole frames over a stream, both ways, in order. The contract of the TLS
 * adapters and of the in-memory pipe of the simulation.
 *
 * - `start` is called once; frames that came before wait for it.
 * - `send` queues and returns; a write that fails closes the connection.
 *   Sending after the end does nothing.
 * - A frame above the limit, or one that lies about its length, ends the
 *   connection with `bad-frame`, unless the handler does. The limit is {@linkcode MAX_GREETING_FRAME}
 *   until `admit`.
 * - `close` sends what is queued and ends, within a second; `destroy` ends at
 *   once. Both lead to `closed`, never synchronously.
 */
export interface Connection {
  readonly facts: PeerFacts;
  /** Bytes queued in this process and not yet taken by the system. */
  readonly queuedBytes: number;
  start(handler: ConnectionHandler): void;
  /**
   * The peer is no stranger: newer ones do not push it out. It is no node
   * either, and the frame limit stays.
   */
  keep(): void;
  /** The peer is a node: the same, and the frame limit is {@linkcode MAX_FRAME}. */
  admit(): void;
  send(payload: Bytes): void;
  close(): void;
  destroy(): void;
}

/** What a client presents, and whom it trusts. One value, swapped as a whole. */
export interface ClientCredentials {
  /** PEM of the roots that a manager's chain must end at. */
  readonly rootsPem: string;
  /** Leaf and intermediates, PEM, with the key as PKCS#8 PEM; absent: anonymous. */
  readonly identity?: { readonly chainPem: string; readonly keyPem: string };
}

/**
 * Opens connections to managers.
 *
 * @throws {SwarmdError} `unreachable` when nothing answers, `timed-out`,
 * `clock-skew` when only the dates of the peer's chain are wrong, `tls` for
 * every other refusal; all with what the peer or the system said
 */
export interface Dialer {
  /** Verified: chain to the roots, name `swarm-manager`, TLS 1.3. */
  dial(
    endpoint: Endpoint,
    credentials: ClientCredentials,
    signal: AbortSignal,
  ): Promise<Connection>;
  /**
   * Unverified, anonymous. Nothing that comes over it may be obeyed: for a
   * root that is then checked against a token, and for explaining errors.
   */
  dialUnverified(endpoint: Endpoint, signal: AbortSignal): Promise<Connection>;
}

/** Accepts nodes' connections. */
export interface Listener {
  /** Where it really listens. */
  readonly endpoint: Endpoint;
  /** Stops accepting, and destroys what is open. */
  close(): Promise<void>;
}

/** What a server presents. One value, validated before it is swapped in. */
export interface ServerCredentials {
  /** Leaf and intermediates. */
  readonly chainPem: string;
  readonly keyPem: string;
  /** Roots whose clients are expected; admission decides, not TLS. */
  readonly rootsPem: string;
}
