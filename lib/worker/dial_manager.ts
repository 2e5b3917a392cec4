import { hasCode, SwarmdError } from "../base/errors.ts";
import type { KnownRoot } from "../pki/succession.ts";
import { encodePem } from "../pki/pem.ts";
import type { Connection, Endpoint } from "../rpc/connection.ts";
import { isUnknownAuthority } from "../rpc/unknown_authority.ts";
import { explainSkew } from "./explain_skew.ts";
import { type HeldIdentity, toCredentials } from "./held_identity.ts";
import { type JudgedManager, judgeManager } from "./judge_manager.ts";
import type { WorkerPorts } from "./ports.ts";
import type { VoidManager } from "./state.ts";
import { findSuccessor } from "./succession.ts";

/** How often a way that is longer than one answer is asked for further. */
const MAX_ANSWERS = 4;

/** What is dialled, and as whom. */
export interface ManagerDial {
  readonly endpoint: Endpoint;
  readonly held: HeldIdentity;
  /** Highest generation of a root that was ever adopted; 0: not known. */
  readonly generation: number;
  /** Managers' certificates that were called void. */
  voids(): readonly VoidManager[];
  /** A later root that a root of the node vouches for, if it is known. */
  readonly successor?: KnownRoot;
  readonly signal: AbortSignal;
}

/** A manager that was verified, and how. */
export interface DialledManager {
  readonly connection: Connection;
  readonly manager: JudgedManager;
  /** Trusted for this connection, besides what is on the disk. */
  readonly successor?: KnownRoot;
}

/**
 * Connects to a manager and judges it. Where its authority is not known, the
 * succession of the cluster's roots may lead there: its end is trusted for this
 * connection as well, because an own root vouches for it.
 *
 * @throws {SwarmdError} as the dialer and `judgeManager` do
 */
export async function dialManager(
  ports: WorkerPorts,
  dial: ManagerDial,
): Promise<DialledManager> {
  let { successor } = dial;
  for (let answers = 0;; answers++) {
    const known = successor && { successor };
    try {
      return { ...await dialWith(ports, { ...dial, ...known }), ...known };
    } catch (error) {
      dial.signal.throwIfAborted();
      const next = answers < MAX_ANSWERS && mayHaveChanged(error)
        ? await successorOf(ports, { ...dial, ...known })
        : undefined;
      if (!next) throw outside(error);
      successor = next;
    }
  }
}

/**
 * A cross-signature that a manager still sends may have ended, which looks like
 * a wrong clock.
 */
function mayHaveChanged(error: unknown): boolean {
  return isUnknownAuthority(error) || hasCode(error, "clock-skew");
}

/**
 * What the succession leads to from the roots of a node, or further from a
 * successor that is known.
 */
export async function successorOf(
  ports: WorkerPorts,
  { held, generation, successor, ...dial }: Omit<ManagerDial, "voids">,
): Promise<KnownRoot | undefined> {
  const { clusterId, identity: { bundle: { roots } } } = held;
  // Which of them the generation is of is not known: after a bundle was given
  // up, or a disk went back, none. So the way may begin below it, not end there.
  const own = roots.map((root) => ({ root, generation: 0 }));
  const trusted = successor ? [successor] : own;
  const floor = generation;
  return await findSuccessor(ports, { ...dial, clusterId, trusted, floor });
}

async function dialWith(
  ports: WorkerPorts,
  { endpoint, held, successor, voids, signal }: ManagerDial,
): Promise<DialledManager> {
  const { clock, crypto, dialer } = ports;
  const { rootsPem, ...rest } = toCredentials(held);
  const more = successor ? encodePem("CERTIFICATE", successor.root.der) : "";
  const credentials = { ...rest, rootsPem: rootsPem + more };
  const connection = await explainSkew(ports, {
    endpoint,
    dial: () => dialer.dial(endpoint, credentials, signal),
  });
  try {
    const { clusterId } = held;
    const expected = { clusterId, now: clock.now(), voids: voids() };
    const manager = await judgeManager(crypto, connection, expected);
    return { connection, manager };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

/** Nothing leads there from here: only a token does. */
function outside(error: unknown): unknown {
  if (!isUnknownAuthority(error) || !(error instanceof SwarmdError)) {
    return error;
  }
  return new SwarmdError(
    error.code,
    `${error.message}; no root of this node leads to its authority: if the cluster's root was replaced, join again with \`swarmd worker join\``,
    { data: error.data },
  );
}
