import { equalBytes } from "../base/bytes.ts";
import { hasCode, SwarmdError } from "../base/errors.ts";
import type { Dialer, Endpoint } from "../rpc/connection.ts";
import type { Serving } from "./own_identity.ts";

/** Who is dialled: this manager itself, with what it is to show. */
export interface SelfDial {
  readonly dialer: Pick<Dialer, "dial">;
  /** Where it listens. */
  readonly endpoint: Endpoint;
  readonly serving: Serving;
  readonly signal: AbortSignal;
}

/**
 * Has a manager dial itself as a node does that has nothing but roots: only what
 * TLS of this runtime verifies, and what the port really shows, counts as seen.
 * Else a chain that no node can verify would cut the manager off from its fleet.
 *
 * @throws {SwarmdError} what the dialer throws; `tls` when another certificate
 * is shown
 */
export async function dialSelf(dial: SelfDial): Promise<void> {
  const { dialer, endpoint, serving, signal } = dial;
  const { certificate, credentials: { rootsPem } } = serving;
  try {
    const own = ownAddress(endpoint);
    const connection = await dialer.dial(own, { rootsPem }, signal);
    const [shown] = connection.facts.presented;
    connection.destroy();
    if (shown && equalBytes(shown, certificate.der)) return;
  } catch (error) {
    // TLS goes by the machine's clock, which the manager may have reason to
    // doubt (`ClockGuard`); the dates were judged by the one that it believes.
    if (hasCode(error, "clock-skew")) return;
    throw error;
  }
  throw new SwarmdError(
    "tls",
    "Cannot use the new certificate: the port of this manager shows another one",
  );
}

/** Where this machine reaches what listens on all of its addresses. */
function ownAddress({ host, port }: Endpoint): Endpoint {
  return { host: LOOPBACK[host] ?? host, port };
}

const LOOPBACK: Readonly<Record<string, string>> = {
  "0.0.0.0": "127.0.0.1",
  "::": "::1",
};
