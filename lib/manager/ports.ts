import type { Clock } from "../base/time.ts";
import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { IdentityStore } from "../pki/identity_store.ts";
import type { Store } from "../cluster/store.ts";
import type { Authorities } from "./authorities.ts";
import type { ReadAuthority } from "./authority_source.ts";
import type {
  Connection,
  Dialer,
  Listener,
  ServerCredentials,
} from "../rpc/connection.ts";

/** A listener whose credentials can be swapped while it serves. */
export interface ManagerListener extends Listener {
  /**
   * Swaps what new handshakes get; open connections go on.
   *
   * @throws {SwarmdError} `damaged-state` for a pair that does not match; the
   * old one keeps serving
   */
  replace(credentials: ServerCredentials): void;
}

/** Starts to accept nodes' connections. */
export type Listen = (
  credentials: ServerCredentials,
  accept: (connection: Connection) => void,
) => Promise<ManagerListener>;

/** The world, as much of it as a manager touches. */
export interface ManagerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly store: Store;
  /** The manager's own certificate, key and bundle. */
  readonly identity: IdentityStore;
  readonly listen: Listen;
  /** Dials this manager itself, as nodes do. */
  readonly dialer: Pick<Dialer, "dial">;
  readonly authorities: Authorities;
  /** Absent: every root is one of our own. */
  readonly readAuthority?: ReadAuthority;
}

/** A host that workers reach a manager at. */
export interface AdvertisedAddress {
  readonly host: string;
  readonly port?: number;
}

/** What an operator decides about a manager's process. */
export interface ManagerSettings {
  /** Version of the program. */
  readonly version: string;
  readonly hostname: string;
  readonly os: string;
  readonly arch: string;
  /** Where workers reach it; without a port, the one listened on. */
  readonly advertise: readonly AdvertisedAddress[];
}
