import { hasCode, SwarmdError } from "../base/errors.ts";
import type { JoinToken } from "../pki/join_token.ts";
import { encodePem } from "../pki/pem.ts";
import { formatDigest } from "../pki/root_digest.ts";
import type { KnownRoot } from "../pki/succession.ts";
import type { Connection, Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { AnonymousCall } from "./anonymous.ts";
import { explainSkew } from "./explain_skew.ts";
import { type JudgedManager, judgeManager } from "./judge_manager.ts";
import { followPin, type PinnedRoot } from "./pinned_root.ts";
import type { WorkerPorts } from "./ports.ts";
import type { VoidManager } from "./state.ts";

/**
 * Connects, as nobody, to a manager under the root that a token leads to.
 *
 * @throws {SwarmdError} as the dialer and `judgeManager` do
 */
export async function dialPinned(
  ports: WorkerPorts,
  { endpoint, end, voids, signal }: {
    readonly endpoint: Endpoint;
    readonly end: KnownRoot;
    readonly voids: readonly VoidManager[];
    readonly signal: AbortSignal;
  },
): Promise<{ connection: Connection; judged: JudgedManager }> {
  const { dialer, clock, crypto } = ports;
  const rootsPem = encodePem("CERTIFICATE", end.root.der);
  const connection = await explainSkew(ports, {
    endpoint,
    dial: () => dialer.dial(endpoint, { rootsPem }, signal),
  });
  try {
    const expected = { now: clock.now(), voids };
    const judged = await judgeManager(crypto, connection, expected);
    return { connection, judged };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

/** Gets the root over a connection that proves nothing, and believes only the digest. */
export async function fetchRoot(
  ports: WorkerPorts,
  attempt: { readonly token: JoinToken; readonly signal: AbortSignal },
  endpoint: Endpoint,
): Promise<PinnedRoot> {
  const { dialer, clock, crypto, version } = ports;
  const { token, signal } = attempt;
  const connection = await dialer.dialUnverified(endpoint, signal);
  const call = new AnonymousCall(connection, { clock, signal });
  try {
    await call.hello(version);
    const digest = formatDigest(token.digest);
    const answer = await call.call("ca.root", { params: { digest } });
    const pin = { answer, digest: token.digest, at: clock.now() };
    return await followPin(crypto, pin);
  } catch (error) {
    throw shownOnly(error, endpoint);
  } finally {
    call.close();
  }
}

/**
 * What an unverified peer says is shown, and never obeyed (trust.md §2): not its
 * verdict, not its hint, not its code. The next address is tried all the same.
 */
function shownOnly(error: unknown, endpoint: Endpoint): unknown {
  if (!(error instanceof SwarmdError)) return error;
  // What this side found carries neither; what was said could be called so.
  const plain = error.verdict === "retry" && error.hint === undefined;
  if (plain && hasCode(error, "unreachable", "timed-out", "tls")) return error;
  if (hasCode(error, "root-mismatch")) return rootMismatch(endpoint);
  return new SwarmdError(
    "tls",
    `Cannot join: ${
      formatEndpoint(endpoint)
    } does not answer as a manager does; it says (not verified): "${error.message}"`,
    { data: { said: error.code } },
  );
}

function rootMismatch(endpoint: Endpoint): SwarmdError {
  return new SwarmdError(
    "root-mismatch",
    `Cannot join: the manager at ${
      formatEndpoint(endpoint)
    } has another root CA than the token pins`,
    {
      hint:
        "Check the address; if the cluster was made anew, get its token with `swarmd token show worker`",
    },
  );
}
