import { hasCode } from "../base/errors.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { type Adopted, judgeOffer, type OfferCase } from "./adoption.ts";
import { successorOf } from "./dial_manager.ts";
import type { WorkerPorts } from "./ports.ts";

/** A bundle that is offered, and where. */
export interface Followed extends OfferCase {
  /** Of the manager that offers it. */
  readonly endpoint: Endpoint;
  readonly signal: AbortSignal;
}

/**
 * Judges a bundle that a verified manager offers. Whoever missed several
 * rotations, inside the grace of the root it trusts, needs the roots between:
 * the succession has them.
 *
 * @throws {SwarmdError} as `judgeOffer` does
 */
export async function followOffer(
  ports: WorkerPorts,
  offered: Followed,
): Promise<Adopted> {
  const { crypto } = ports;
  try {
    return await judgeOffer(crypto, offered);
  } catch (error) {
    if (!hasCode(error, "root-mismatch")) throw error;
    const successor = await successorOf(ports, offered);
    if (!successor) throw error;
    return await judgeOffer(crypto, { ...offered, successor });
  }
}
