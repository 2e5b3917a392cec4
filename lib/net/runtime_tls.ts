import type { Bytes } from "../base/bytes.ts";
import type { ClientCredentials, Endpoint } from "../rpc/connection.ts";

/*
 * What the program needs from Deno's TLS client and Deno does not document.
 * Everything here fails closed: without the first symbol, names are compared
 * with the host that was dialled, which `assertNamesAreEnforced` notices;
 * without the second, no leaf is returned and the connection is refused.
 */
const SERVER_NAME = Symbol.for("unstableServerName");
const PEER_CERTIFICATE = "getPeerCertificate";

/** A dial that only a server with the right chain and name survives. */
export interface VerifiedDial {
  readonly endpoint: Endpoint;
  readonly credentials: ClientCredentials;
  /** DNS name that the certificate must carry, whatever the host. */
  readonly serverName: string;
  readonly alpn: string;
}

/**
 * Opens a TCP connection with TLS on it, whose handshake is still to be done.
 * All addresses of a host name are tried, the next after 250 ms or a failure.
 * Environment variables that name a proxy have no influence.
 */
export async function openVerified(dial: VerifiedDial): Promise<Deno.TlsConn> {
  const { endpoint, credentials: { identity, rootsPem }, serverName } = dial;
  const address = { hostname: endpoint.host, port: endpoint.port };
  const trust = { caCerts: [rootsPem], alpnProtocols: [dial.alpn] };
  if (identity) {
    const own = { cert: identity.chainPem, key: identity.keyPem };
    const named = { [SERVER_NAME]: serverName };
    return await Deno.connectTls({ ...address, ...trust, ...own, ...named });
  }
  const tcp = await Deno.connect(address);
  // connectTls cannot turn Nagle's algorithm off, and loses 40 ms to it when
  // the last flight of the handshake waits for a delayed ACK. This way can,
  // but takes no client certificate.
  tcp.setNoDelay();
  return await Deno.startTls(tcp, { hostname: serverName, ...trust });
}

/** The server's leaf, DER; undefined when the runtime does not tell. */
export function peerLeaf(tls: Deno.TlsConn): Bytes | undefined {
  const holder = Object.getPrototypeOf(tls);
  const symbol = Object.getOwnPropertySymbols(holder)
    .find(({ description }) => description === PEER_CERTIFICATE);
  if (symbol === undefined) return undefined;
  const read: unknown = Reflect.get(tls, symbol);
  if (typeof read !== "function") return undefined;
  const { raw }: { raw?: unknown } = read.call(tls) ?? {};
  return raw instanceof Uint8Array ? new Uint8Array(raw) : undefined;
}
