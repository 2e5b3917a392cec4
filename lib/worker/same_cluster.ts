import { hasCode, SwarmdError } from "../base/errors.ts";
import type { JoinToken } from "../pki/join_token.ts";
import { formatDigest, rootDigest } from "../pki/root_digest.ts";
import type { Connection, Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { isUnknownAuthority } from "../rpc/unknown_authority.ts";
import { AnonymousCall } from "./anonymous.ts";
import { dialManager } from "./dial_manager.ts";
import type { HeldIdentity } from "./held_identity.ts";
import { dialPinned, fetchRoot } from "./pinned_manager.ts";
import type { WorkerPorts } from "./ports.ts";
import type { Membership } from "./state.ts";
import { MAX_ASKED } from "./succession.ts";

/** An identity of this machine, and a token that is given beside it. */
export interface TokenCase {
  readonly held: HeldIdentity;
  readonly membership: Membership;
  readonly token: JoinToken;
  /** Tried in this order; at least one. */
  readonly managers: readonly Endpoint[];
  readonly signal: AbortSignal;
}

/**
 * Whether a token whose root is not known here is of the cluster that the
 * identity is of: the root may have changed while the machine was off. It is
 * when one manager shows one certificate that holds under both, and its roots go
 * on from the identity's: neither a stranger's word nor the key of a root that
 * was cut off decides it.
 *
 * @throws {SwarmdError} when no manager could be asked: that is no answer
 */
export async function isSameCluster(
  ports: WorkerPorts,
  given: TokenCase,
): Promise<boolean> {
  let failure: unknown;
  let answered = false;
  for (const endpoint of given.managers) {
    try {
      if (await isSameAt(ports, given, endpoint)) return true;
      answered = true;
    } catch (error) {
      given.signal.throwIfAborted();
      failure ??= error;
    }
  }
  if (answered) return false;
  throw failure;
}

async function isSameAt(
  ports: WorkerPorts,
  given: TokenCase,
  endpoint: Endpoint,
): Promise<boolean> {
  const pinned = await byToken(ports, given, endpoint);
  const own = pinned && await byIdentity(ports, given, endpoint);
  if (pinned === undefined || own === undefined) return false;
  if (pinned === own) return true;
  throw new SwarmdError(
    "manager-unproven",
    `Cannot tell whether ${
      formatEndpoint(endpoint)
    } is of this node's cluster: it showed two certificates, one for the token's root and one for this node's`,
  );
}

/**
 * Fingerprint of the manager under the token's root; there is none, or no way
 * to its root. After a root was cut off a manager's certificate still holds under
 * it for a while, for those who were carried over.
 */
async function byToken(
  ports: WorkerPorts,
  given: TokenCase,
  endpoint: Endpoint,
): Promise<string | undefined> {
  const { membership: { voidManagers: voids = [] }, token, signal } = given;
  try {
    const { end } = await fetchRoot(ports, { token, signal }, endpoint);
    const dial = { endpoint, end, voids, signal };
    const { connection, judged } = await dialPinned(ports, dial);
    await askWay(ports, given, connection);
    return judged.certificate.fingerprint;
  } catch (error) {
    if (hasCode(error, "root-mismatch")) return undefined;
    throw error;
  }
}

/** @throws {SwarmdError} `root-mismatch` when the roots do not go on */
async function askWay(
  { clock, crypto, version }: WorkerPorts,
  { held, signal }: TokenCase,
  connection: Connection,
): Promise<void> {
  const call = new AnonymousCall(connection, { clock, signal });
  try {
    await call.hello(version);
    const roots = held.identity.bundle.roots.slice(-MAX_ASKED);
    const digests = await Promise.all(
      roots.map(async ({ der }) => formatDigest(await rootDigest(crypto, der))),
    );
    await call.call("ca.succession", { params: { digests } });
  } finally {
    call.close();
  }
}

/** Fingerprint of the manager under the identity's roots; nothing leads there. */
async function byIdentity(
  ports: WorkerPorts,
  { held, membership, signal }: TokenCase,
  endpoint: Endpoint,
): Promise<string | undefined> {
  const { generation = 0, voidManagers = [] } = membership;
  const voids = () => voidManagers;
  try {
    const dial = { endpoint, held, generation, voids, signal };
    const { connection, manager } = await dialManager(ports, dial);
    connection.destroy();
    return manager.certificate.fingerprint;
  } catch (error) {
    // The clock here was good enough under the token's root: what ended is the
    // way from the identity's.
    const isStrange = isUnknownAuthority(error) ||
      hasCode(error, "foreign-cluster", "clock-skew");
    if (isStrange) return undefined;
    throw error;
  }
}
