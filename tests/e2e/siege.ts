import { assert, assertEquals } from "@std/assert";
import { Cluster, type ClusterOptions, type WorkerOptions } from "./cluster.ts";
import type { Swarmd } from "./harness.ts";
import { Relay } from "./relay.ts";
import { Forger } from "./thief.ts";
import { treeOf } from "./tree.ts";

/** A worker whose way to its manager an attacker can turn. */
export class Siege implements AsyncDisposable {
  readonly relay: Relay;
  readonly cluster: Cluster;
  readonly forger: Forger;
  readonly worker: Swarmd;
  readonly #identity: string[];

  constructor(
    parts: Pick<Siege, "relay" | "cluster" | "forger" | "worker">,
    identity: string[],
  ) {
    this.relay = parts.relay;
    this.cluster = parts.cluster;
    this.forger = parts.forger;
    this.worker = parts.worker;
    this.#identity = identity;
  }

  static async begin(
    options: WorkerOptions & Pick<ClusterOptions, "life"> = {},
  ): Promise<Siege> {
    const forger = await Forger.start();
    const relay = new Relay(0);
    const cluster = await Cluster.start({
      ...options,
      init: [`--advertise-addr=${relay.address}`],
    });
    relay.turnTo(cluster.port);
    const worker = await cluster.connectedWorker("worker", {
      ...options,
      managers: [relay.address],
      args: ["--log-level=debug"],
    });
    const identity = await identityOf(cluster);
    return new Siege({ relay, cluster, forger, worker }, identity);
  }

  /** Turns the worker's way to somebody else. */
  async turnTo(port: number): Promise<void> {
    this.relay.turnTo(port);
    this.relay.cut();
    await this.worker.waitFor("disconnected");
  }

  /** What the worker logs of a dial that came to nothing. */
  async refusal(wanted: RegExp): Promise<void> {
    await this.worker.waitForLog(
      (line) =>
        line.message === "No session with a manager" &&
        wanted.test(String(line["error"])),
    );
  }

  /** The worker is what it was, and finds its manager again by itself. */
  async lift(): Promise<void> {
    this.relay.turnTo(this.cluster.port);
    this.relay.cut();
    const connected = await this.worker.waitFor("connected", {
      timeoutMs: 70_000,
    });
    assertEquals(connected["node"], this.worker.events[0]?.["node"]);
    assertEquals(await identityOf(this.cluster), this.#identity);
    const { worker } = this.cluster.tokens;
    const secret = worker.split("-").at(-1) ?? "";
    assert(!this.worker.stderr.includes(secret));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    await this.relay[Symbol.asyncDispose]();
    await this.forger[Symbol.asyncDispose]();
  }
}

/** What lies on a worker's disk of its identity. */
export async function identityOf(cluster: Cluster): Promise<string[]> {
  const lines = await treeOf(cluster.dir("worker"));
  return lines.filter((line) => /^\.\/(certificates|identities)/.test(line));
}
