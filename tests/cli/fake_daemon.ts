import { silentLogger } from "../../lib/base/logger.ts";
import type { HttpHandler } from "../../lib/net/http.ts";
import { serveUnix, type UnixServer } from "../../lib/net/unix_http.ts";
import { answerLocally, type Route } from "../../lib/rpc/local_answer.ts";
import { type Outcome, runLine } from "./fake_host.ts";

/** A state directory in which something answers operators. */
export class FakeDaemon implements AsyncDisposable {
  readonly stateDir: string;
  readonly #server: UnixServer;

  constructor(stateDir: string, server: UnixServer) {
    this.stateDir = stateDir;
    this.#server = server;
  }

  /** Answers as a node does that knows these things. */
  static knows(route: Route): Promise<FakeDaemon> {
    return FakeDaemon.answers((request) => answerLocally(request, route));
  }

  /** Answers anything at all. */
  static async answers(handler: HttpHandler): Promise<FakeDaemon> {
    const stateDir = await Deno.makeTempDir({ prefix: "swarmd-cli-" });
    const server = await serveUnix(`${stateDir}/swarmd.sock`, {
      handler,
      logger: silentLogger,
    });
    return new FakeDaemon(stateDir, server);
  }

  /** Runs an operator's command against it. */
  run(line: string, now?: number): Promise<Outcome> {
    const world = { ...(now === undefined ? {} : { now }) };
    return runLine([...line.split(" "), "--state-dir", this.stateDir], world);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
    await Deno.remove(this.stateDir, { recursive: true });
  }
}
