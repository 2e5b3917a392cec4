import { describeError, SwarmdError } from "../base/errors.ts";
import type { JoinToken } from "../pki/join_token.ts";
import type { StoredIdentity } from "../pki/identity_store.ts";
import { issuedFacts } from "../pki/issued_facts.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { readStored } from "./held_identity.ts";
import { join } from "./join.ts";
import type { WorkerPorts } from "./ports.ts";
import { keepIdentity, type Present } from "./rejoin.ts";
import { SerialIdentity } from "./serial_identity.ts";
import { WorkerState } from "./state.ts";
import type { WorkerOptions } from "./worker.ts";

/** How a worker begins. */
export interface StartOptions {
  /** Absent: only what lies on the disk will do. */
  readonly join?: {
    readonly token: JoinToken;
    /** Tried in this order; at least one. */
    readonly managers: readonly Endpoint[];
  };
  /** Where the identity lies, for people. */
  readonly stateDir: string;
  readonly signal: AbortSignal;
}

/**
 * Finds the identity that a worker is to run with: the one on its disk or,
 * where it is to join and that one is not good any more, a new one.
 *
 * @throws {SwarmdError} `not-initialised`, `damaged-state` or `cloned` when
 * the disk does not hold what it takes; what `join` throws
 */
export async function startWorker(
  world: WorkerPorts,
  { join: order, signal, stateDir }: StartOptions,
): Promise<WorkerOptions> {
  const ports = { ...world, identity: new SerialIdentity(world.identity) };
  const state = await WorkerState.load(ports.identity);
  const present = await loadPresent(ports, state);
  if (!order) return { ports, state, ...resume(ports, { present, stateDir }) };
  const good = present &&
    await keepIdentity(ports, { ...order, present, signal });
  // The addresses that were given count, also for who is in already.
  const seeds = order.managers.map(formatEndpoint);
  if (good) {
    const membership = { ...good.membership, seeds };
    await state.remember(good.held.nodeId, membership);
    return { ports, state, ...good, membership };
  }
  const held = await join(ports, { ...order, state, signal });
  const membership = state.of(held.nodeId);
  if (!membership) throw new TypeError("Joined without memory"); // unreachable
  ports.event({ event: "joined", ...issuedFacts(held.certificate) });
  return { ports, state, held, membership };
}

async function loadPresent(
  ports: WorkerPorts,
  state: WorkerState,
): Promise<Present | undefined> {
  const { identity, crypto, clock } = ports;
  const stored = await identity.load();
  if (!stored) return undefined;
  await forgetUsedKey(ports, stored);
  const held = await readStored(crypto, stored, { now: clock.now() });
  const membership = state.of(held.nodeId);
  if (!membership) return { held };
  return { held: { ...held, issuedAt: membership.issuedAt }, membership };
}

/**
 * A kill after an identity was saved leaves its key staged as well. To join
 * with it once more would be to ask for a node that is long in use, or gone.
 */
async function forgetUsedKey(
  { identity, logger }: WorkerPorts,
  { keyPem }: StoredIdentity,
): Promise<void> {
  try {
    const staged = await identity.loadStagedKey();
    if (staged?.keyPem === keyPem) await identity.dropStagedKey();
  } catch (error) {
    logger.warn("Cannot forget a staged key", { error: describeError(error) });
  }
}

function resume(
  { machine }: WorkerPorts,
  { present, stateDir }: {
    readonly present: Present | undefined;
    readonly stateDir: string;
  },
): Required<Present> {
  if (!present) {
    throw noIdentity(stateDir);
  }
  const { held, membership } = present;
  if (!membership) {
    throw new SwarmdError(
      "damaged-state",
      `Cannot run: state.json says nothing of node ${held.nodeId}`,
      { verdict: "rejoin", hint: "Join again with `swarmd worker join`" },
    );
  }
  if (machine.is(membership.binding)) return { held, membership };
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

/** The error for a state directory in which no node ever was. */
export function noIdentity(stateDir: string): SwarmdError {
  return new SwarmdError(
    "not-initialised",
    `Cannot run: "${stateDir}" holds no identity of a node`,
    {
      verdict: "stop",
      hint:
        "Join a cluster with `swarmd worker join`, or name the node's directory with --state-dir",
    },
  );
}
