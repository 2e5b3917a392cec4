import { type Bytes, equalBytes } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  type Certificate,
  readCertificate,
  readCertificates,
} from "../../lib/pki/certificate.ts";
import { verifyChain } from "../../lib/pki/chain.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import type { Endpoint } from "../../lib/rpc/connection.ts";
import { formatEndpoint } from "../../lib/rpc/endpoint.ts";

/** The name that the real dialer wants to see. */
const MANAGER_NAME = "swarm-manager";

/** What a client looks at. */
export interface ServerCase {
  readonly presented: readonly Bytes[];
  readonly rootsPem: string;
  /** The client's wall clock, in milliseconds. */
  readonly at: number;
  readonly endpoint: Endpoint;
}

/**
 * What the TLS library does in a client: chain, dates and name of the server.
 *
 * @throws {SwarmdError} `clock-skew` when the dates alone are wrong, else `tls`
 */
export async function verifyServer(
  crypto: Crypto,
  { presented, rootsPem, at, endpoint }: ServerCase,
): Promise<void> {
  const chain = await Promise.all(
    presented.map((der) => readCertificate(crypto, der)),
  );
  const anchors = await readCertificates(crypto, rootsPem);
  const request = {
    presented: chain,
    anchors,
    usage: "serverAuth",
    at,
  } as const;
  const verdict = await verifyChain(crypto, request);
  if (!verdict.ok) {
    const code = verdict.provenIssuer ? "clock-skew" : "tls";
    throw refused(code, endpoint, { why: verdict.detail });
  }
  if (!named(chain[0])) {
    throw refused("tls", endpoint, { why: `it is not named ${MANAGER_NAME}` });
  }
}

/** Whether a client's key is that of the leaf that it presents. */
export async function holdsKey(
  crypto: Crypto,
  { presented: [leaf], keyPem }: {
    readonly presented: readonly Bytes[];
    readonly keyPem: string;
  },
): Promise<boolean> {
  const [pkcs8] = decodePem(keyPem, "PRIVATE KEY");
  if (!leaf || !pkcs8) return false;
  const { spki } = await crypto.importPkcs8(pkcs8);
  return equalBytes(spki, (await readCertificate(crypto, leaf)).spki);
}

function named(leaf: Certificate | undefined): boolean {
  return leaf?.dnsNames.includes(MANAGER_NAME) ?? false;
}

function refused(
  code: "clock-skew" | "tls",
  endpoint: Endpoint,
  { why }: { readonly why: string },
): SwarmdError {
  return new SwarmdError(
    code,
    `Cannot connect to ${
      formatEndpoint(endpoint)
    }: its certificate is refused: ${why}`,
  );
}
