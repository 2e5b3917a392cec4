import { describeError, SwarmdError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import type { Clock } from "../../lib/base/time.ts";
import { systemRandom, workerCrypto } from "../../lib/net/system.ts";
import type { IdentityStore } from "../../lib/pki/identity_store.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import type { Connection, Dialer, Endpoint } from "../../lib/rpc/connection.ts";
import type { WorkerPorts } from "../../lib/worker/ports.ts";
import { startWorker } from "../../lib/worker/start.ts";
import { Worker, type WorkerOptions } from "../../lib/worker/worker.ts";

/** What members share. */
export interface MemberParts {
  readonly name: string;
  readonly identity: IdentityStore;
  readonly clock: Clock;
  readonly dialer: Dialer;
  readonly signal: AbortSignal;
  /** Something is different with a member. */
  changed(): void;
}

/** All of a worker but its process; its disk is a folder, or memory. */
export class Member {
  readonly ports: WorkerPorts;
  connected = false;
  /** Dials that failed since it was last connected. */
  failures = 0;
  /** How often its session was interrupted. */
  interruptions = 0;
  /** How often it came back with an identity that had ended. */
  recoveries = 0;
  nodeId = "";
  /** When its last connection ended, on the clock of all processes, in ms. */
  closedAt = NaN;
  readonly #parts: MemberParts;
  readonly #first = Promise.withResolvers<void>();
  #options: WorkerOptions | undefined;
  #newest: Connection | undefined;

  constructor(parts: MemberParts) {
    const { name, identity, clock } = parts;
    this.#parts = parts;
    const binding = `${name}/unknown`;
    this.ports = {
      clock,
      identity,
      random: systemRandom,
      crypto: workerCrypto(),
      logger: silentLogger,
      dialer: this.#watchingDialer(parts.dialer),
      machine: {
        hostname: name,
        os: "linux",
        arch: "x86_64",
        binding,
        is: (other) => other === binding,
      },
      version: "bench",
      event: (event) => {
        if (event.event === "connected") this.#isConnected(event.node);
        if (event.event === "disconnected") this.#isCut();
        if (event.event === "recovered") this.recoveries++;
      },
    };
  }

  async join(token: string, manager: Endpoint): Promise<void> {
    this.#options = await startWorker(this.ports, {
      join: { token: parseJoinToken(token), managers: [manager] },
      stateDir: "",
      signal: this.#parts.signal,
    });
  }

  /** Keeps a session from now on; resolves when it has one. */
  async connect(): Promise<void> {
    if (!this.#options) throw new TypeError("Cannot run: it has not joined");
    const worker = new Worker(this.#options);
    worker.run(this.#parts.signal).catch((error) => {
      if (this.#parts.signal.aborted) return;
      const isRemoved = error instanceof SwarmdError &&
        error.code === "removed";
      if (isRemoved) return;
      throw new Error(`A member ended: ${describeError(error)}`);
    });
    await this.#first.promise;
  }

  #watchingDialer(dialer: Dialer): Dialer {
    return {
      dialUnverified: (...order) => dialer.dialUnverified(...order),
      dial: async (...order) => {
        try {
          return this.#watched(await dialer.dial(...order));
        } catch (error) {
          this.failures++;
          this.#parts.changed();
          throw error;
        }
      },
    };
  }

  /** Notes its end, the moment the socket tells it. */
  #watched(connection: Connection): Connection {
    this.#newest = connection;
    this.closedAt = NaN;
    const start = connection.start.bind(connection);
    connection.start = (handler) =>
      start({
        message: (payload) => handler.message(payload),
        closed: (error) => {
          if (this.#newest === connection) this.closedAt = sharedNow();
          this.#parts.changed();
          handler.closed(error);
        },
      });
    return connection;
  }

  #isConnected(nodeId: string): void {
    this.nodeId = nodeId;
    this.connected = true;
    this.failures = 0;
    this.#first.resolve();
    this.#parts.changed();
  }

  #isCut(): void {
    this.connected = false;
    this.interruptions++;
    this.#parts.changed();
  }
}

/** Wall clock with fractions: the same in all processes of a machine, in ms. */
export function sharedNow(): number {
  return performance.timeOrigin + performance.now();
}
