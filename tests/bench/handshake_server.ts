import { parseArgs } from "@std/cli";
import { createServer } from "node:tls";
import type { AddressInfo } from "node:net";
import type { Bytes } from "../../lib/base/bytes.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { newId } from "../../lib/base/random.ts";
import { HOUR, SECOND } from "../../lib/base/time.ts";
import { DEFAULT_LIMITS } from "../../lib/net/connection_limits.ts";
import {
  systemClock,
  systemCrypto,
  systemRandom,
} from "../../lib/net/system.ts";
import { listenTls } from "../../lib/net/tls_server.ts";
import { NODE_ALPN } from "../../lib/net/tls_errors.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { readCsr } from "../../lib/pki/csr.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { issueLeaf, newSerial, type Role } from "../../lib/pki/profile.ts";
import { createRoot } from "../../lib/pki/root.ts";
import { serveParent } from "./child.ts";

/** A server that greets whoever has done a handshake: the runtime's, or ours. */
const { raw } = parseArgs(Deno.args, { boolean: ["raw"] });
const now = Math.floor(Date.now() / SECOND) * SECOND;
const rootKey = await systemCrypto.generateKey();
const rootDer = await createRoot(systemCrypto, {
  random: systemRandom,
  now,
  generation: 1,
  key: rootKey,
});
const root = await readCertificate(systemCrypto, rootDer);
const rootsPem = encodePem("CERTIFICATE", rootDer);
const clusterId = newId(systemRandom);

function certify(role: Role, spki: Bytes): Promise<Bytes> {
  return issueLeaf(systemCrypto, {
    issuer: root,
    issuerKey: rootKey.privateKey,
    profile: {
      clusterId,
      nodeId: newId(systemRandom),
      role,
      spki,
      serial: newSerial(systemRandom),
      notBefore: now - HOUR,
      notAfter: now + HOUR,
      dnsNames: [],
      ipAddresses: [],
    },
  });
}

async function leafOf(role: Role) {
  const key = await systemCrypto.generateKey();
  const der = await certify(role, key.spki);
  const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
  return {
    chainPem: encodePem("CERTIFICATE", der),
    keyPem: encodePem("PRIVATE KEY", pkcs8),
  };
}

const credentials = { rootsPem, ...await leafOf("manager") };
const GREETING = new Uint8Array([33]);

async function listenOurs(): Promise<number> {
  const many = { ratePerSecond: 1e6, burst: 1e6, maxAnonymous: 1e6 };
  const { endpoint } = await listenTls({
    listen: { host: "127.0.0.1", port: 0 },
    credentials,
    limits: { ...DEFAULT_LIMITS, ...many },
    clock: systemClock,
    logger: silentLogger,
    accept: (connection) => {
      connection.start({ message: () => {}, closed: () => {} });
      connection.send(GREETING);
    },
  });
  return endpoint.port;
}

function listenRaw(): Promise<number> {
  const server = createServer({
    cert: credentials.chainPem,
    key: credentials.keyPem,
    ca: rootsPem,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: [NODE_ALPN],
  });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    // What comes is a request for a certificate, in one piece.
    socket.on("data", async (csr: Uint8Array) => {
      const { spki } = await readCsr(systemCrypto, csr);
      socket.write(await certify("worker", spki));
    });
    socket.write(GREETING);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", 511, () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

const port = raw ? await listenRaw() : await listenOurs();
await serveParent({ port, rootsPem, ...await leafOf("worker") }, {});
Deno.exit(); // its connections would keep it
