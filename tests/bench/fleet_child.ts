import { silentLogger } from "../../lib/base/logger.ts";
import { makeTrustStorePrivate } from "../../lib/net/private_trust.ts";
import { systemCrypto, systemRandom } from "../../lib/net/system.ts";
import { tlsDialer } from "../../lib/net/tls_client.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import type { Dialer, Endpoint } from "../../lib/rpc/connection.ts";
import type { WorkerPorts } from "../../lib/worker/ports.ts";
import { startWorker } from "../../lib/worker/start.ts";
import { Worker, type WorkerOptions } from "../../lib/worker/worker.ts";
import { inFlight, serveParent } from "./child.ts";
import { JumpClock } from "./jump_clock.ts";
import { MemoryIdentity } from "./memory_identity.ts";

/** Many workers in one process: all of a worker but its disk and its process. */
const clock = new JumpClock();
const stop = new AbortController();

makeTrustStorePrivate();
const dialer = tlsDialer({ clock });

class Member {
  readonly ports: WorkerPorts;
  connected = false;
  /** Dials that failed since it was last connected. */
  failures = 0;
  readonly #first = Promise.withResolvers<void>();
  #options: WorkerOptions | undefined;

  constructor(index: number) {
    const binding = `bench-${index}/unknown`;
    this.ports = {
      clock,
      random: systemRandom,
      crypto: systemCrypto,
      logger: silentLogger,
      identity: new MemoryIdentity(),
      dialer: this.#countingDialer(),
      machine: {
        hostname: `bench-${index}`,
        os: "linux",
        arch: "x86_64",
        binding,
        is: (other) => other === binding,
      },
      version: "bench",
      event: ({ event }) => {
        if (event === "connected") this.#isConnected(true);
        if (event === "disconnected") this.#isConnected(false);
      },
    };
  }

  async join(token: string, manager: Endpoint): Promise<void> {
    this.#options = await startWorker(this.ports, {
      join: { token: parseJoinToken(token), managers: [manager] },
      stateDir: "",
      signal: stop.signal,
    });
  }

  /** Keeps a session from now on; resolves when it has one. */
  async connect(): Promise<void> {
    if (!this.#options) throw new TypeError("Cannot run: it has not joined");
    const worker = new Worker(this.#options);
    void worker.run(stop.signal);
    await this.#first.promise;
  }

  #countingDialer(): Dialer {
    return {
      dialUnverified: (...order) => dialer.dialUnverified(...order),
      dial: async (...order) => {
        try {
          return await dialer.dial(...order);
        } catch (error) {
          this.failures++;
          changed();
          throw error;
        }
      },
    };
  }

  #isConnected(connected: boolean): void {
    this.connected = connected;
    if (connected) this.failures = 0;
    if (connected) this.#first.resolve();
    changed();
  }
}

const members: Member[] = [];
/** What `when` waits for, looked at after each change. */
let changed = () => {};

/** Waits for something to be true of so many members. */
async function when(
  count: number,
  isTrue: (member: Member) => boolean,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  changed = () => {
    if (members.filter(isTrue).length >= count) resolve();
  };
  changed();
  await promise;
  changed = () => {};
}

await serveParent({}, {
  join: async ({ count, width, token, port }) => {
    const manager = { host: "127.0.0.1", port: Number(port) };
    const began = performance.now();
    await inFlight({ count: Number(count), width: Number(width) }, (i) => {
      const member = new Member(i);
      members.push(member);
      return member.join(String(token), manager);
    });
    return { wallMs: performance.now() - began };
  },
  run: async ({ count, width }) => {
    const plan = { count: Number(count), width: Number(width) };
    await inFlight(plan, (i) => members[i]?.connect() ?? Promise.resolve());
  },
  connected: ({ count }) => when(Number(count), ({ connected }) => connected),
  lost: () => when(members.length, ({ connected }) => !connected),
  failed: ({ times }) =>
    when(members.length, ({ failures }) => failures >= Number(times)),
  jump: ({ byMs }) => clock.jump(Number(byMs)),
});
stop.abort();
