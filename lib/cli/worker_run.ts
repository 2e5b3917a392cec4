import { SwarmdError } from "../base/errors.ts";
import { formatTime } from "../base/time.ts";
import { openIdentityFiles } from "../disk/identity_files.ts";
import { machineFacts, sameMachine } from "../disk/machine.ts";
import { systemClock, systemCrypto, systemRandom } from "../net/system.ts";
import { tlsDialer } from "../net/tls_client.ts";
import { parseJoinToken } from "../pki/join_token.ts";
import { formatDigest } from "../pki/root_digest.ts";
import { type HeldIdentity, readStored } from "../worker/held_identity.ts";
import { join } from "../worker/join.ts";
import { answerOperator } from "../worker/local_api.ts";
import type { WorkerPorts } from "../worker/ports.ts";
import { WorkerState } from "../worker/state.ts";
import { Worker, type WorkerOptions as Parts } from "../worker/worker.ts";
import { type Daemon, openDaemon } from "./daemon.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import type { WorkerJoin, WorkerOptions } from "./options.ts";
import { VERSION } from "./version.ts";

/** Composition root of the worker: the one place that knows its adapters. */
export async function runWorker(options: WorkerOptions): Promise<number> {
  const token = options.join && parseJoinToken(options.join.token);
  const command = options.join ? "worker join" : "worker run";
  await using daemon = await openDaemon(options, command);
  const ports = await openPorts(options, daemon);
  const state = await WorkerState.load(ports.identity);
  const present = await loadPresent(ports, state);
  const order = options.join && token && { ...options.join, token };
  const parts = order
    ? await joinOrResume(ports, { order, state, present, daemon })
    : resume(ports, present, options.stateDir);
  const worker = await Worker.open({ ports, state, ...parts });
  await using operators = await daemon.serveOperators((request) =>
    answerOperator(request, { worker, clock: systemClock, version: VERSION })
  );
  void operators;
  await worker.run(daemon.signal);
  daemon.event({ event: "stopped", reason: String(daemon.signal.reason) });
  return EXIT_CODES.ok.number;
}

type Present = Pick<Parts, "held"> & Partial<Pick<Parts, "membership">>;

async function openPorts(
  options: WorkerOptions,
  daemon: Daemon,
): Promise<WorkerPorts> {
  const facts = await machineFacts(VERSION);
  const { machineBinding: binding } = facts;
  return {
    clock: systemClock,
    random: systemRandom,
    crypto: systemCrypto,
    logger: daemon.logger,
    identity: await openIdentityFiles(options.stateDir),
    dialer: tlsDialer({ clock: systemClock }),
    machine: { ...facts, binding, is: (other) => sameMachine(binding, other) },
    version: VERSION,
    event: daemon.event,
  };
}

async function loadPresent(
  ports: WorkerPorts,
  state: WorkerState,
): Promise<Present | undefined> {
  const stored = await ports.identity.load();
  if (!stored) return undefined;
  const now = systemClock.now();
  const held = await readStored(systemCrypto, stored, { now });
  const membership = state.of(held.nodeId);
  if (!membership) return { held };
  return { held: { ...held, issuedAt: membership.issuedAt }, membership };
}

function resume(
  ports: WorkerPorts,
  present: Present | undefined,
  stateDir: string,
): Pick<Parts, "held" | "membership"> {
  if (!present) {
    throw new SwarmdError(
      "not-initialised",
      `Cannot run: "${stateDir}" holds no identity of a node`,
      { verdict: "stop", hint: "Join a cluster with `swarmd worker join`" },
    );
  }
  const { held, membership } = present;
  if (!membership) {
    throw new SwarmdError(
      "damaged-state",
      `Cannot run: state.json says nothing of node ${held.nodeId}`,
      { verdict: "rejoin", hint: "Join again with `swarmd worker join`" },
    );
  }
  if (!ports.machine.is(membership.binding)) {
    throw new SwarmdError(
      "cloned",
      `Cannot run: the identity of node ${held.nodeId} was made on another machine`,
      {
        verdict: "rejoin",
        hint:
          "Two machines must not share an identity: join this one with `swarmd worker join`; after a change of hardware, do the same",
      },
    );
  }
  return { held, membership };
}

async function joinOrResume(
  ports: WorkerPorts,
  plan: {
    readonly order: Omit<WorkerJoin, "token"> & {
      readonly token: ReturnType<typeof parseJoinToken>;
    };
    readonly state: WorkerState;
    readonly present: Present | undefined;
    readonly daemon: Daemon;
  },
): Promise<Pick<Parts, "held" | "membership">> {
  const { order, state, present, daemon } = plan;
  const root = formatDigest(order.token.digest);
  const good = stillGood(ports, present, root);
  if (good) return good;
  const { signal } = daemon;
  const held = await join(ports, { ...order, state, signal });
  tellJoined(daemon, held);
  const membership = state.of(held.nodeId);
  if (membership) return { held, membership };
  throw new TypeError("Joined without a memory of it"); // unreachable
}

/** An identity of this machine, under the root that the token pins, in its time. */
function stillGood(
  ports: WorkerPorts,
  present: Present | undefined,
  rootDigest: string,
): Pick<Parts, "held" | "membership"> | undefined {
  if (!present?.membership) return undefined;
  const { held, membership } = present;
  const { notAfter } = held.certificate;
  const good = membership.rootDigest === rootDigest &&
    ports.machine.is(membership.binding) && systemClock.now() < notAfter;
  if (!good) return undefined;
  ports.logger.info("The identity here is still good; it is resumed", {
    node: held.nodeId,
    notAfter: formatTime(notAfter),
  });
  return { held, membership };
}

function tellJoined(daemon: Daemon, held: HeldIdentity): void {
  const { serial, notBefore, notAfter, issuer } = held.certificate;
  daemon.event({
    event: "joined",
    node: held.nodeId,
    serial,
    notBefore,
    notAfter,
    issuer: issuer.commonName ?? "",
  });
}
