import { formatTime } from "../base/time.ts";
import { formatDigest, rootDigest } from "../pki/root_digest.ts";
import type { HeldIdentity } from "./held_identity.ts";
import type { WorkerPorts } from "./ports.ts";
import { isSameCluster, type TokenCase } from "./same_cluster.ts";
import type { Membership } from "./state.ts";
import { whyNotRecovered } from "./try_recovery.ts";

/** What lies on the disk: an identity, and what is remembered of it. */
export interface Present {
  readonly held: HeldIdentity;
  readonly membership?: Membership;
}

/** A join where an identity lies already. */
export interface Rejoin
  extends Pick<TokenCase, "token" | "managers" | "signal"> {
  readonly present: Present;
}

/**
 * Decides whether a join goes on with the identity that is there, so that a
 * retry never makes a second node. The clock of this machine alone ends
 * nothing, and nothing is changed here: an identity is given up when there is
 * another one.
 *
 * @returns `undefined` when a new one is wanted, which is told
 * @throws {SwarmdError} when it takes a manager to tell, and none does
 */
export async function keepIdentity(
  ports: WorkerPorts,
  rejoin: Rejoin,
): Promise<Required<Present> | undefined> {
  const { held, membership } = rejoin.present;
  const { nodeId: node, clusterId: cluster } = held;
  const why = membership
    ? await whyNotKept(ports, { ...rejoin, held, membership })
    : "state.json says nothing of it";
  if (membership && why === undefined) {
    const notAfter = formatTime(held.certificate.notAfter);
    const facts = { node, notAfter };
    ports.logger.info("The identity here is still good; it is resumed", facts);
    return { held, membership };
  }
  const facts = { node, cluster, why };
  ports.logger.warn("Joining anew, which gives up the identity here", facts);
  return undefined;
}

async function whyNotKept(
  ports: WorkerPorts,
  given: TokenCase,
): Promise<string | undefined> {
  const { machine, clock } = ports;
  const { held, membership: { binding, refused } } = given;
  if (!machine.is(binding)) return "it was made on another machine";
  if (refused !== undefined) return `it was refused for good: ${refused}`;
  if (!await isOfToken(ports, given)) {
    return "no root that it trusts leads to the token's";
  }
  if (clock.now() < held.certificate.notAfter) return undefined;
  return await whyNotRecovered(ports, given);
}

async function isOfToken(
  ports: WorkerPorts,
  given: TokenCase,
): Promise<boolean> {
  const { held, membership, token } = given;
  const wanted = formatDigest(token.digest);
  if (membership.rootDigest === wanted) return true;
  for (const { der } of held.identity.bundle.roots) {
    const digest = await rootDigest(ports.crypto, der);
    if (formatDigest(digest) === wanted) return true;
  }
  const isSame = await isSameCluster(ports, given);
  if (isSame) {
    const { nodeId: node, clusterId: cluster } = held;
    const facts = { node, cluster, tokenRoot: wanted };
    ports.logger.info("The token is of this node's cluster", facts);
  }
  return isSame;
}
