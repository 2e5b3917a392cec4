import { SwarmdError } from "../base/errors.ts";
import { MINUTE, SECOND } from "../base/time.ts";
import { LEAF_CONSTRAINTS, subjectAltName } from "../pki/extension_writer.ts";
import { encodeName } from "../pki/names.ts";
import { OID } from "../pki/oids.ts";
import { encodePem } from "../pki/pem.ts";
import { newSerial } from "../pki/profile.ts";
import { encodeTbs, signed } from "../pki/tbs.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { Deadline } from "./deadline.ts";
import { openVerified } from "./runtime_tls.ts";
import { systemClock, systemCrypto, systemRandom } from "./system.ts";

const LOOPBACK = "127.0.0.1";
const ALPN = "name-check";
const WANTED_NAME = "swarm-manager";
const OTHER_NAME = "name-check.invalid";
const TIMEOUT_MS = 5 * SECOND;
/** What rustls says of a good chain with another name. */
const WRONG_NAME_REGEXP =
  /^invalid peer certificate: (?:NotValidForName|certificate not valid for name)/;

/**
 * Leaves the process without any root of its own: `caCerts` ADDS to the
 * runtime's store, so that any public authority, or whoever sets one of these
 * variables, could answer for a manager. The store is read at the first use of
 * TLS; call this before. A `--cert` flag is not undone.
 */
export function makeTrustStorePrivate(): void {
  // Empty means no store; an unknown word would make every dial fail
  Deno.env.set("DENO_TLS_CA_STORE", "");
  Deno.env.delete("DENO_CERT");
  Deno.env.delete("NODE_EXTRA_CA_CERTS");
}

/**
 * Proves that this runtime compares a server's certificate with the name
 * `swarm-manager`, by dialling a loopback server of a trusted root whose
 * certificate carries its address and another name. Were the name ignored, any
 * node's certificate would pass for a manager's.
 *
 * Costs 5 ms, and up to 75 ms on another thread for the first key of the
 * process (see `systemCrypto`): begin it early, and await it before anything
 * that comes over a connection is trusted.
 *
 * @throws {SwarmdError} `tls`, to stop, when the name is not enforced or that
 * cannot be found out
 */
export async function assertNamesAreEnforced(): Promise<void> {
  const stranger = await makeStranger();
  using deadline = new Deadline({
    clock: systemClock,
    timeoutMs: TIMEOUT_MS,
    timedOut: () => unproven("no answer"),
  });
  const server = serveOnce(stranger);
  try {
    await deadline.run(refuseStranger(server.endpoint, stranger));
  } finally {
    await server.close();
  }
}

/** A certificate that is its own root, and its key. */
interface Stranger {
  readonly chainPem: string;
  readonly keyPem: string;
}

async function makeStranger(): Promise<Stranger> {
  const key = await systemCrypto.generateKey();
  const name = encodeName([[OID.commonName, OTHER_NAME]]);
  const now = Math.floor(systemClock.now() / SECOND) * SECOND;
  const body = encodeTbs({
    serial: newSerial(systemRandom),
    issuer: name,
    notBefore: now - MINUTE,
    notAfter: now + MINUTE,
    subject: name,
    spki: key.spki,
    extensions: [
      LEAF_CONSTRAINTS,
      subjectAltName({
        dnsNames: [OTHER_NAME],
        // What would be compared if the wanted name were not
        ipAddresses: [LOOPBACK],
        uris: [],
      }),
    ],
  });
  const der = await signed(systemCrypto, { key: key.privateKey, body });
  const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
  return {
    chainPem: encodePem("CERTIFICATE", der),
    keyPem: encodePem("PRIVATE KEY", pkcs8),
  };
}

interface OneServer {
  readonly endpoint: Endpoint;
  close(): Promise<void>;
}

function serveOnce({ chainPem, keyPem }: Stranger): OneServer {
  const listener = Deno.listenTls({
    hostname: LOOPBACK,
    port: 0,
    cert: chainPem,
    key: keyPem,
  });
  let accepted: Deno.TlsConn | undefined;
  const serving = listener.accept().then((tls) => {
    accepted = tls;
    return tls.handshake();
  }).then(ignore, ignore); // the other side tells how it ended
  return {
    endpoint: { host: LOOPBACK, port: (listener.addr as Deno.NetAddr).port },
    async close() {
      listener.close();
      accepted?.close();
      await serving;
    },
  };
}

function ignore(): void {}

async function refuseStranger(
  endpoint: Endpoint,
  stranger: Stranger,
): Promise<void> {
  const tls = await openVerified({
    endpoint,
    // With a certificate of its own, since that takes the way that is in doubt
    credentials: { rootsPem: stranger.chainPem, identity: stranger },
    serverName: WANTED_NAME,
    alpn: ALPN,
  });
  try {
    await tls.handshake();
  } catch (error) {
    if (error instanceof Error && WRONG_NAME_REGEXP.test(error.message)) return;
    throw unproven("the dial failed for another reason", error);
  } finally {
    tls.close();
  }
  throw unproven(`a server named "${OTHER_NAME}" was accepted`);
}

function unproven(found: string, cause?: unknown): SwarmdError {
  return new SwarmdError(
    "tls",
    `Cannot trust this runtime to refuse a server of another name: ${found}`,
    { verdict: "stop", cause },
  );
}
