import { describeError, hasCode } from "../base/errors.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { isJoinStaged } from "./join.ts";
import type { WorkerPorts } from "./ports.ts";
import { recoverOnce } from "./recover_once.ts";
import type { TokenCase } from "./same_cluster.ts";

/** A token gets the machine in where these keep the identity out. */
const FINAL = [
  "removed",
  "unknown-node",
  "conflict",
  "replaced",
  "rejected",
  "unverified-chain",
] as const;

/**
 * Looks whether an identity that ended comes back by itself. Nothing is saved:
 * the worker that is resumed asks again with the same key, and gets the same
 * certificate.
 *
 * @returns why it does not; `undefined` when it does, or goes on as it is
 * @throws {SwarmdError} when no manager could tell
 */
export async function whyNotRecovered(
  ports: WorkerPorts,
  given: TokenCase,
): Promise<string | undefined> {
  // Its key may be in use already, and the one to recover with takes its place.
  if (await isJoinStaged(ports, given.token)) {
    return "a join with this token is under way";
  }
  let failure: unknown;
  for (const endpoint of given.managers) {
    try {
      return await whyNotAt(ports, given, endpoint);
    } catch (error) {
      given.signal.throwIfAborted();
      // Ended by the clock here alone; or an operator wants it to be quiet.
      if (hasCode(error, "clock-skew", "suspended")) return undefined;
      if (hasCode(error, ...FINAL)) return describeError(error);
      failure ??= error;
    }
  }
  throw failure;
}

async function whyNotAt(
  ports: WorkerPorts,
  { held, membership, signal }: TokenCase,
  endpoint: Endpoint,
): Promise<string | undefined> {
  const { generation = 0, voidManagers = [] } = membership;
  const waits = new AbortController();
  const parts = {
    ...ports,
    held: () => held,
    generation: () => generation,
    voids: () => voidManagers,
  };
  try {
    await recoverOnce(parts, {
      cause: { reason: "expired", endpoint },
      pending: () => waits.abort(),
      signal: AbortSignal.any([signal, waits.signal]),
    });
    return undefined;
  } catch (error) {
    if (waits.signal.aborted) return "it ended, and an operator would decide";
    throw error;
  }
}
