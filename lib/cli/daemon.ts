import type { Logger } from "../base/logger.ts";
import { ensureStateDirectory } from "../disk/state_directory.ts";
import { type Lock, lockStateDirectory } from "../disk/lock.ts";
import {
  defaultRuntimeDirectory,
  removeSocketFolder,
  socketPath,
} from "../disk/socket_path.ts";
import { makeTrustStorePrivate } from "../net/private_trust.ts";
import { serveUnix } from "../net/unix_http.ts";
import { createLogger } from "../observe/log.ts";
import type { LocalAnswer, LocalRequest } from "../rpc/local_answer.ts";
import { type EventSink, eventWriter } from "./events.ts";
import type { DaemonOptions } from "./options.ts";

/** What a command that goes on running has around it. */
export interface Daemon extends AsyncDisposable {
  readonly logger: Logger;
  readonly event: EventSink;
  /** Aborted by SIGINT and SIGTERM; the reason names the signal. */
  readonly signal: AbortSignal;
  /** Answers operators on the socket of the state directory. */
  serveOperators(
    answer: (request: LocalRequest) => Promise<LocalAnswer>,
  ): Promise<AsyncDisposable>;
}

/**
 * Begins a long-running command: a private trust store, the state directory
 * with its lock, the log, and the signals that end it.
 *
 * @throws {SwarmdError} `disk` or `locked-directory`
 */
export async function openDaemon(
  options: DaemonOptions,
  command: string,
): Promise<Daemon> {
  makeTrustStorePrivate();
  await ensureStateDirectory(options.stateDir);
  const lock = await lockStateDirectory(options.stateDir, command);
  return new RunningDaemon(options, lock);
}

class RunningDaemon implements Daemon {
  readonly logger: Logger;
  readonly event: EventSink;
  readonly #options: DaemonOptions;
  readonly #lock: Lock;
  readonly #stop = new AbortController();
  readonly #handlers: readonly (readonly [Deno.Signal, () => void])[];

  constructor(options: DaemonOptions, lock: Lock) {
    const { output, now } = options.host;
    this.#options = options;
    this.#lock = lock;
    const post = (line: string) => output.postLog(line);
    this.logger = createLogger({ ...options.log, now, post });
    this.event = eventWriter(output, { json: options.json, now });
    this.#handlers = (["SIGINT", "SIGTERM"] as const).map((name) =>
      [name, () => this.#stop.abort(name)] as const
    );
    for (const [name, handler] of this.#handlers) {
      Deno.addSignalListener(name, handler);
    }
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  async serveOperators(
    answer: (request: LocalRequest) => Promise<LocalAnswer>,
  ): Promise<AsyncDisposable> {
    const { host, stateDir } = this.#options;
    const runtimeDir = defaultRuntimeDirectory(host.env, host.uid());
    const path = await socketPath(stateDir, runtimeDir, { makeFolder: true });
    const server = await serveUnix(path, {
      handler: answer,
      logger: this.logger,
    });
    return {
      [Symbol.asyncDispose]: async () => {
        await server.close();
        await removeSocketFolder(path, stateDir);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, handler] of this.#handlers) {
      Deno.removeSignalListener(name, handler);
    }
    await this.#lock.close();
  }
}
