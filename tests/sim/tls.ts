import { type Bytes, equalBytes } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  type Certificate,
  readCertificate,
  readCertificates,
} from "../../lib/pki/certificate.ts";
import { type ChainRequest, verifyChain } from "../../lib/pki/chain.ts";
import type { Crypto } from "../../lib/pki/crypto.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import type { Endpoint } from "../../lib/rpc/connection.ts";
import { formatEndpoint } from "../../lib/rpc/endpoint.ts";
import { UNKNOWN_AUTHORITY } from "../../lib/rpc/unknown_authority.ts";

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
  { presented, rootsPem, ...rest }: ServerCase,
): Promise<void> {
  const chain = await Promise.all(
    presented.map((der) => readCertificate(crypto, der)),
  );
  const anchors = await readCertificates(crypto, rootsPem);
  await judgeServer(crypto, { presented: chain, anchors, ...rest });
}

/** What a client presents, and what it signs with. */
export interface ClientCase {
  readonly chainPem: string;
  readonly keyPem: string;
}

/** Texts that are remembered: some more than there are nodes. */
const MAX_KNOWN = 1_000;

/** The TLS library of a whole network: what it has read it does not read again. */
export class SimTls {
  readonly #crypto: Crypto;
  readonly #known = new Map<string, Promise<readonly Certificate[]>>();

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
  }

  /** As {@linkcode verifyServer}, with the chain as PEM. */
  async verifyServer(
    { chainPem, rootsPem, at, endpoint }:
      & Omit<ServerCase, "presented">
      & { readonly chainPem: string },
  ): Promise<void> {
    const presented = await this.#read(chainPem);
    const anchors = await this.#read(rootsPem);
    await judgeServer(this.#crypto, { presented, anchors, at, endpoint });
  }

  /** Whether a client's key is that of the leaf that it presents. */
  async holdsKey({ chainPem, keyPem }: ClientCase): Promise<boolean> {
    const [leaf] = await this.#read(chainPem);
    const [pkcs8] = decodePem(keyPem, "PRIVATE KEY");
    if (!leaf || !pkcs8) return false;
    const { spki } = await this.#crypto.importPkcs8(pkcs8);
    return equalBytes(spki, leaf.spki);
  }

  #read(pem: string): Promise<readonly Certificate[]> {
    const before = this.#known.get(pem);
    if (before) return before;
    if (this.#known.size === MAX_KNOWN) this.#known.clear();
    const read = readCertificates(this.#crypto, pem);
    this.#known.set(pem, read);
    return read;
  }
}

async function judgeServer(
  crypto: Crypto,
  { presented, anchors, at, endpoint }:
    & Omit<ServerCase, "presented" | "rootsPem">
    & Pick<ChainRequest, "presented" | "anchors">,
): Promise<void> {
  const request = { presented, anchors, usage: "serverAuth", at } as const;
  const verdict = await verifyChain(crypto, request);
  if (!verdict.ok) {
    const code = verdict.provenIssuer ? "clock-skew" : "tls";
    const { detail: why, reason } = verdict;
    throw refused(code, endpoint, { why, unknown: reason === "untrusted" });
  }
  if (!named(presented[0])) {
    throw refused("tls", endpoint, { why: `it is not named ${MANAGER_NAME}` });
  }
}

function named(leaf: Certificate | undefined): boolean {
  return leaf?.dnsNames.includes(MANAGER_NAME) ?? false;
}

function refused(
  code: "clock-skew" | "tls",
  endpoint: Endpoint,
  { why, unknown = false }: {
    readonly why: string;
    readonly unknown?: boolean;
  },
): SwarmdError {
  return new SwarmdError(
    code,
    `Cannot connect to ${
      formatEndpoint(endpoint)
    }: its certificate is refused: ${why}`,
    unknown ? { data: UNKNOWN_AUTHORITY } : {},
  );
}
