import type { TLSSocket } from "node:tls";
import { SwarmdError } from "../base/errors.ts";
import { type Clock, SECOND } from "../base/time.ts";
import type {
  ClientCredentials,
  Connection,
  Dialer,
  Endpoint,
} from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { Deadline } from "./deadline.ts";
import { DenoConnection } from "./deno_connection.ts";
import { factsOf, NodeConnection } from "./node_connection.ts";
import { assertNamesAreEnforced } from "./private_trust.ts";
import { openVerified, peerLeaf } from "./runtime_tls.ts";
import { NODE_ALPN, tlsError } from "./tls_errors.ts";

/** The DNS name that every manager's certificate carries, and no worker's. */
const MANAGER_NAME = "swarm-manager";
/** For look-up, TCP and TLS together, in milliseconds. */
const DIAL_MS = 10 * SECOND;

/** How a dialer is made. */
export interface DialerOptions {
  readonly clock: Clock;
  /** For look-up, TCP and TLS together, in milliseconds. Default: 10 s. */
  readonly timeoutMs?: number;
  /** Default: {@linkcode assertNamesAreEnforced}, once for a process. */
  readonly namesAreEnforced?: () => Promise<void>;
}

/**
 * Dials managers. `makeTrustStorePrivate` must have been called before.
 *
 * The first verified dial waits for the proof that names are enforced, which
 * runs beside it, and fails with the proof's error. A signal ends the dial, not
 * the connection that comes of it. Proxies are never used.
 */
export function tlsDialer(options: DialerOptions): Dialer {
  return {
    dial: (endpoint, credentials, signal) =>
      attempt(
        { ...options, endpoint, signal },
        (deadline) =>
          dialVerified(deadline, { ...options, endpoint, credentials }),
      ),
    dialUnverified: (endpoint, signal) =>
      attempt(
        { ...options, endpoint, signal },
        (deadline) => dialUnverified(deadline, { ...options, endpoint }),
      ),
  };
}

async function attempt<T>(
  options: DialerOptions & { endpoint: Endpoint; signal: AbortSignal },
  dial: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  const { endpoint, signal, timeoutMs = DIAL_MS } = options;
  const what = "connect to";
  signal.throwIfAborted();
  using deadline = new Deadline({
    ...options,
    timeoutMs,
    timedOut: () =>
      new SwarmdError(
        "timed-out",
        `Cannot ${what} ${
          formatEndpoint(endpoint)
        }: no answer in ${timeoutMs} ms`,
      ),
  });
  try {
    return await dial(deadline);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw tlsError({ what, endpoint }, error);
  }
}

let proof: Promise<void> | undefined;

/** A failure is not kept: a clock that was set meanwhile makes one, too. */
function proveOnce(): Promise<void> {
  return proof ??= assertNamesAreEnforced().catch((error) => {
    proof = undefined;
    throw error;
  });
}

interface VerifiedDial extends DialerOptions {
  readonly endpoint: Endpoint;
  readonly credentials: ClientCredentials;
}

async function dialVerified(
  deadline: Deadline,
  dial: VerifiedDial,
): Promise<Connection> {
  const { endpoint, credentials, namesAreEnforced = proveOnce } = dial;
  const proving = namesAreEnforced();
  proving.catch(() => {}); // awaited below, unless the dial fails before
  const opening = openVerified({
    endpoint,
    credentials,
    serverName: MANAGER_NAME,
    alpn: NODE_ALPN,
  });
  const tls = await deadline.run(opening, (late) => late.close());
  try {
    const { alpnProtocol } = await deadline.run(tls.handshake());
    checkAlpn(alpnProtocol, endpoint);
    await deadline.run(proving);
    return connectionOf(tls, dial);
  } catch (error) {
    tls.close();
    throw error;
  }
}

function connectionOf(tls: Deno.TlsConn, dial: VerifiedDial): Connection {
  const leaf = peerLeaf(tls);
  if (!leaf) throw new Error("this runtime does not show its certificate");
  const { hostname: host, port } = tls.remoteAddr as Deno.NetAddr;
  const facts = {
    remote: { host, port },
    tlsVersion: "",
    resumed: false, // each dial has a configuration of its own
    // The runtime verified the whole chain, and shows no more of it
    presented: [leaf],
  };
  return new DenoConnection(tls, { facts, clock: dial.clock });
}

function checkAlpn(found: unknown, endpoint: Endpoint): void {
  if (found === NODE_ALPN) return;
  throw new SwarmdError(
    "tls",
    `Cannot connect to ${formatEndpoint(endpoint)}: it is no manager, for it ` +
      `does not speak ${NODE_ALPN}`,
  );
}

/**
 * `node:tls` alone can look at a server without verifying it. As a client it
 * must never be used for more: it accepts forged certificates of version 1 (T2).
 */
async function dialUnverified(
  deadline: Deadline,
  { endpoint, clock }: DialerOptions & { endpoint: Endpoint },
): Promise<Connection> {
  // Loaded when it is used: 40 ms, and a worker that has joined never does
  const { connect } = await import("node:tls");
  const socket = connect({
    ...endpoint,
    servername: MANAGER_NAME,
    ALPNProtocols: [NODE_ALPN],
    minVersion: "TLSv1.3",
    rejectUnauthorized: false,
    // Left out, the empty trust store makes every handshake fail
    ca: [],
  });
  try {
    await deadline.run(handshakeOf(socket));
    checkAlpn(socket.alpnProtocol, endpoint);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return new NodeConnection(socket, { facts: factsOf(socket), clock });
}

function handshakeOf(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", resolve);
    // It stays: an error after the deadline must find a listener
    socket.on("error", reject);
    socket.once("close", () => reject(new Error("socket hang up")));
  });
}
