import { type Bytes, equalBytes } from "../base/bytes.ts";
import { describeError, hasCode, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Dialer, Endpoint } from "../rpc/connection.ts";
import type { Serving } from "./own_identity.ts";

/** Who is dialled: this manager itself, with what it is to show. */
export interface SelfDial {
  readonly dialer: Pick<Dialer, "dial">;
  readonly logger: Logger;
  /** Where it listens. */
  readonly endpoint: Endpoint;
  readonly serving: Serving;
  readonly signal: AbortSignal;
}

/**
 * Has a manager dial itself as a node does that has nothing but roots: a chain
 * that TLS of this runtime does not verify, or that is not what the port shows,
 * would cut the manager off from its fleet.
 *
 * Nothing else speaks against a certificate. A port that strangers flood may not
 * answer, and a firewall may be in the way; TLS goes by the machine's clock,
 * which the manager may have reason to doubt (`ClockGuard`).
 *
 * @throws {SwarmdError} `tls`; the signal's reason
 */
export async function dialSelf(dial: SelfDial): Promise<void> {
  const { signal, logger, serving: { certificate } } = dial;
  try {
    if (equalBytes(await shownBy(dial), certificate.der)) return;
  } catch (error) {
    signal.throwIfAborted();
    if (hasCode(error, "tls")) throw error;
    const text = describeError(error);
    return logger.warn("This manager could not dial itself", { error: text });
  }
  throw new SwarmdError(
    "tls",
    "Cannot use the new certificate: the port of this manager shows another one",
  );
}

/** The leaf, DER. */
async function shownBy(
  { dialer, endpoint, serving, signal }: SelfDial,
): Promise<Bytes> {
  const { rootsPem } = serving.credentials;
  const own = ownAddress(endpoint);
  const connection = await dialer.dial(own, { rootsPem }, signal);
  connection.destroy();
  return connection.facts.presented[0] ?? new Uint8Array();
}

/** Where this machine reaches what listens on all of its addresses. */
function ownAddress({ host, port }: Endpoint): Endpoint {
  return { host: LOOPBACK[host] ?? host, port };
}

const LOOPBACK: Readonly<Record<string, string>> = {
  "0.0.0.0": "127.0.0.1",
  "::": "::1",
};
