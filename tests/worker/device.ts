import type { Logger } from "../../lib/base/logger.ts";
import type { Clock } from "../../lib/base/time.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import type { Role } from "../../lib/pki/profile.ts";
import type { Endpoint } from "../../lib/rpc/connection.ts";
import { parseEndpoint } from "../../lib/rpc/endpoint.ts";
import type { HeldIdentity } from "../../lib/worker/held_identity.ts";
import { join } from "../../lib/worker/join.ts";
import type { WorkerEvent, WorkerPorts } from "../../lib/worker/ports.ts";
import { WorkerState } from "../../lib/worker/state.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import { CALM, type House, type Logged, loggerTo } from "../manager/house.ts";
import { type DiskEvents, SimDisk } from "../sim/sim_disk.ts";
import { Net, type Server } from "./net.ts";

/** Where the manager of a house listens. */
export const MANAGER = "10.0.0.5:2377";

/** A machine with a disk, on a network with a house. */
export class Device {
  readonly house: House;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly net: Net;
  readonly random: StreamRandom;
  readonly disk = new SimDisk();
  readonly events: WorkerEvent[] = [];
  readonly logged: Logged[] = [];
  readonly logger: Logger = loggerTo(this.logged);
  binding = "machine";

  constructor(house: House, label = "device") {
    this.house = house;
    this.clock = house.clock;
    this.crypto = house.crypto;
    this.random = new StreamRandom(label);
    this.net = new Net(house);
    this.net.servers.set(MANAGER, serverOf(house));
  }

  /** What a process on it works with. */
  ports(disk: DiskEvents = CALM): WorkerPorts {
    const { clock, crypto, random, logger, binding } = this;
    return {
      clock,
      crypto,
      random,
      logger,
      identity: this.disk.open(disk),
      dialer: this.net,
      machine: {
        hostname: "edge",
        os: "linux",
        arch: "arm64",
        binding,
        is: (other) => other === binding,
      },
      version: "1",
      event: (event) => this.events.push(event),
    };
  }

  /** Joins as a new process. */
  async join(options: JoinOptions = {}): Promise<HeldIdentity> {
    const ports = options.ports ?? this.ports(options.disk);
    const token = options.token ??
      await this.house.tokens.show(options.role ?? "worker");
    return await join(ports, {
      token: parseJoinToken(token),
      managers: (options.managers ?? [MANAGER]).map(endpointOf),
      state: await WorkerState.load(ports.identity),
      signal: options.signal ?? new AbortController().signal,
    });
  }
}

/** How a device joins. */
export interface JoinOptions {
  readonly ports?: WorkerPorts;
  readonly disk?: DiskEvents;
  readonly token?: string;
  readonly role?: Role;
  readonly managers?: readonly string[];
  readonly signal?: AbortSignal;
}

/** The manager of a house, as the network sees it. */
export function serverOf(house: House): Server {
  return {
    chain: () => decodePem(house.serving.credentials.chainPem, "CERTIFICATE"),
    accept: (connection) => house.desk.accept(connection),
  };
}

export function endpointOf(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint) return endpoint;
  throw new Error(`"${text}" is no endpoint`);
}
