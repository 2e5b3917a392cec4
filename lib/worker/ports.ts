import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import type { Clock } from "../base/time.ts";
import type { Crypto } from "../pki/crypto.ts";
import type { IssuedFacts } from "../pki/issued_facts.ts";
import type { IdentityStore } from "../pki/identity_store.ts";
import type { Dialer } from "../rpc/connection.ts";

/** The machine that a worker runs on. */
export interface Machine {
  readonly hostname: string;
  readonly os: string;
  readonly arch: string;
  /** Hash of what tells this machine from a copy of its disk. */
  readonly binding: string;
  /** Whether a binding that was written down can be of this machine. */
  is(binding: string): boolean;
}

/** What a worker tells its operator. Times in milliseconds. */
export type WorkerEvent =
  | {
    /** An operator has to accept this machine. */
    readonly event: "pending";
    /** Id that it will have, or has again. */
    readonly node: string;
    /** SHA-256 of its key (SubjectPublicKeyInfo), lower-case hex. */
    readonly fingerprint: string;
  }
  | { readonly event: "joined" } & IssuedFacts
  | { readonly event: "renewed" } & IssuedFacts
  | {
    /** It came back with an identity that was not good any more. */
    readonly event: "recovered";
    /** What was wrong with it, such as `expired`. */
    readonly reason: string;
  } & IssuedFacts
  | {
    readonly event: "connected";
    readonly node: string;
    /** Address of the manager that holds the session. */
    readonly manager: string;
  }
  | {
    /** The session is interrupted; moving to a new connection is no reason. */
    readonly event: "disconnected";
    readonly node: string;
    readonly manager: string;
    readonly reason: string;
  }
  | {
    readonly event: "root-changed";
    readonly node: string;
    /** `sha256:<hex>` of the newest root that it trusts now. */
    readonly rootDigest: string;
  };

/** The world, as much of it as a worker touches. */
export interface WorkerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly identity: IdentityStore;
  readonly dialer: Dialer;
  readonly machine: Machine;
  /** Version of the program. */
  readonly version: string;
  readonly event: (event: WorkerEvent) => void;
}
