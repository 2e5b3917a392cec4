import { hasCode, SwarmdError } from "../base/errors.ts";
import { openIdentityFiles } from "../disk/identity_files.ts";
import { machineFacts, sameMachine } from "../disk/machine.ts";
import { systemClock, systemRandom, workerCrypto } from "../net/system.ts";
import { tlsDialer } from "../net/tls_client.ts";
import { parseJoinToken } from "../pki/join_token.ts";
import { answerOperator } from "../worker/local_api.ts";
import type { WorkerPorts } from "../worker/ports.ts";
import { startWorker } from "../worker/start.ts";
import { Worker } from "../worker/worker.ts";
import { type Daemon, openDaemon } from "./daemon.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import type { WorkerOptions } from "./options.ts";
import { VERSION } from "./version.ts";

/** Composition root of the worker: the one place that knows its adapters. */
export async function runWorker(options: WorkerOptions): Promise<number> {
  const token = options.join && parseJoinToken(options.join.token);
  const command = options.join ? "worker join" : "worker run";
  await using daemon = await openDaemon(options, command);
  const ports = await openPorts(options, daemon);
  const start = await startWorker(ports, {
    stateDir: options.stateDir,
    signal: daemon.signal,
    ...(options.join && token && { join: { ...options.join, token } }),
  }).catch((error) => {
    throw daemon.signal.aborted ? interrupted(daemon.signal) : error;
  });
  const worker = new Worker(start);
  await using operators = await daemon.serveOperators((request) =>
    answerOperator(request, { worker, clock: systemClock, version: VERSION })
  );
  void operators;
  const reason = await runUntilLeft(worker, daemon.signal);
  daemon.event({ event: "stopped", reason });
  return EXIT_CODES.ok.number;
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
  daemon: Daemon,
): Promise<WorkerPorts> {
  const facts = await machineFacts(VERSION);
  const { machineBinding: binding } = facts;
  return {
    clock: systemClock,
    random: systemRandom,
    crypto: workerCrypto(),
    logger: daemon.logger,
    identity: await openIdentityFiles(options.stateDir),
    dialer: tlsDialer({ clock: systemClock }),
    machine: { ...facts, binding, is: (other) => sameMachine(binding, other) },
    version: VERSION,
    event: daemon.event,
  };
}

/** There is no session yet: whoever waits for one must not take it for done. */
function interrupted({ reason }: AbortSignal): SwarmdError {
  return new SwarmdError("interrupted", `Cannot go on: found ${reason}`, {
    verdict: "stop",
  });
}
