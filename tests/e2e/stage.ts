import type { LogLine } from "./harness.ts";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { newSession, type RawAnswer, RawPeer } from "./raw_peer.ts";
import { type ClientPair, OpensslDial } from "./raw_tls.ts";
import { Forger } from "./thief.ts";

/** A cluster with one worker, and an attacker. */
export class Stage implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly forger: Forger;

  constructor(cluster: Cluster, forger: Forger) {
    this.cluster = cluster;
    this.forger = forger;
  }

  static async set(options: ClusterOptions = {}): Promise<Stage> {
    const forger = await Forger.start();
    try {
      const cluster = await Cluster.start(options);
      return new Stage(cluster, forger);
    } catch (error) {
      await forger[Symbol.asyncDispose]();
      throw error;
    }
  }

  get port(): number {
    return this.cluster.port;
  }

  /** Lets a worker join and end; gives its node id. */
  async victim(name = "victim"): Promise<string> {
    const worker = await this.cluster.connectedWorker(name);
    await worker.stop();
    return String(worker.events[0]?.["node"]);
  }

  /** Certificate and key of a node, as its directory holds them. */
  async pairOf(name: string): Promise<ClientPair> {
    const path = `${this.cluster.dir(name)}/certificates/swarm-node`;
    return {
      cert: await Deno.readTextFile(`${path}.crt`),
      key: await Deno.readTextFile(`${path}.key`),
    };
  }

  async root(): Promise<string> {
    const path = `${this.cluster.dir()}/certificates/swarm-root-ca.crt`;
    return await Deno.readTextFile(path);
  }

  /** OpenSSL's own client, with a pair and any further options. */
  async dial(
    pair: ClientPair | undefined,
    ...options: readonly string[]
  ): Promise<RawPeer> {
    const presented = pair ? await this.forger.asOptions(pair) : [];
    const given = [...presented, ...options];
    return new RawPeer(new OpensslDial(this.port, given));
  }

  /** What a `hello` that wants a session gets. */
  async greet(
    pair: ClientPair | undefined,
    ...options: readonly string[]
  ): Promise<RawAnswer> {
    await using peer = await this.dial(pair, ...options);
    return await peer.hello(newSession());
  }

  /** The line of the manager's log that an attack leaves. */
  async logged(
    attack: () => Promise<unknown>,
    picked: (line: LogLine) => boolean,
  ): Promise<LogLine> {
    const after = this.cluster.manager.log.length;
    await attack();
    return await this.cluster.manager.waitForLog(picked, { after });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    await this.forger[Symbol.asyncDispose]();
  }
}

/** Picks the refusal of a connection for a reason. */
export function refusedAs(code: string): (line: LogLine) => boolean {
  return (line) =>
    line.message === "Connection refused" && line["code"] === code;
}

/** Picks a line by its message. */
export function says(text: RegExp): (line: LogLine) => boolean {
  return ({ message }) => text.test(message);
}
