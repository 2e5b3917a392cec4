import { hasCode, SwarmdError } from "../base/errors.ts";
import { openWholeIdentity } from "../disk/identity_files.ts";
import { machineFacts, sameMachine } from "../disk/machine.ts";
import { holdsAnything, holdsCluster } from "../disk/state_directory.ts";
import { systemClock, systemRandom, workerCrypto } from "../net/system.ts";
import { tlsDialer } from "../net/tls_client.ts";
import { parseJoinToken } from "../pki/join_token.ts";
import type { WorkerPorts } from "../worker/ports.ts";
import { noIdentity, startWorker } from "../worker/start.ts";
import { Worker } from "../worker/worker.ts";
import { type Daemon, openDaemon } from "./daemon.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import type { WorkerOptions } from "./options.ts";
import { VERSION } from "./version.ts";
import { WorkerDesk } from "./worker_desk.ts";

/** Composition root of the worker: the one place that knows its adapters. */
export async function runWorker(options: WorkerOptions): Promise<number> {
  const token = options.join && parseJoinToken(options.join.token);
  // Before anything is made: the directory may be mistyped
  if (!options.join && (await holdsAnything(options.stateDir)).length === 0) {
    throw noIdentity(options.stateDir);
  }
  const command = options.join ? "worker join" : "worker run";
  await refuseCluster(options.stateDir, command);
  await using daemon = await openDaemon(options, command);
  // Who made one meanwhile had the lock.
  await refuseCluster(options.stateDir, command);
  await using desk = new WorkerDesk(daemon, options);
  const { signal } = daemon;
  const ports = await openPorts(options, {
    logger: daemon.logger,
    event: (event) => desk.event(event),
  });
  const start = await startWorker(ports, {
    ...{ stateDir: options.stateDir, signal },
    ...(options.join && token && { join: { ...options.join, token } }),
  }).catch((error) => {
    throw signal.aborted ? interrupted(signal) : error;
  });
  const worker = new Worker(start);
  await desk.answerFor(worker);
  const reason = await runUntilLeft(worker, signal);
  daemon.event({ event: "stopped", reason });
  return EXIT_CODES.ok.number;
}

/**
 * Before anything is touched: a manager's identity is nothing that a worker may
 * resume, and nothing that a join may replace.
 */
async function refuseCluster(
  stateDir: string,
  command: string,
): Promise<void> {
  const found = await holdsCluster(stateDir);
  if (found.length === 0) return;
  throw new SwarmdError(
    "already-initialised",
    `Cannot ${command} in "${stateDir}": it is a manager's directory, found ${
      found.join(", ")
    }`,
    {
      verdict: "stop",
      hint:
        "Serve its cluster with `swarmd manager run`, or name the worker's directory with --state-dir",
    },
  );
}

/** @returns why it ended */
async function runUntilLeft(
  worker: Worker,
  signal: AbortSignal,
): Promise<string> {
  try {
    await worker.run(signal);
    return String(signal.reason);
  } catch (error) {
    if (worker.left && hasCode(error, "removed")) return "left the cluster";
    throw error;
  }
}

async function openPorts(
  options: WorkerOptions,
  { logger, event }: Pick<Daemon, "logger" | "event">,
): Promise<WorkerPorts> {
  const facts = await machineFacts(VERSION);
  const { machineBinding: binding } = facts;
  return {
    clock: systemClock,
    random: systemRandom,
    crypto: workerCrypto(),
    identity: await openWholeIdentity(options.stateDir),
    dialer: tlsDialer({ clock: systemClock }),
    machine: { ...facts, binding, is: (other) => sameMachine(binding, other) },
    version: VERSION,
    ...{ logger, event },
  };
}

/** There is no session yet: whoever waits for one must not take it for done. */
function interrupted({ reason }: AbortSignal): SwarmdError {
  return new SwarmdError("interrupted", `Cannot go on: found ${reason}`, {
    verdict: "stop",
  });
}
