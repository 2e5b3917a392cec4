import { systemCrypto } from "../../lib/net/system.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { makeTrustStorePrivate } from "../../lib/net/private_trust.ts";
import { openVerified } from "../../lib/net/runtime_tls.ts";
import { NODE_ALPN } from "../../lib/net/tls_errors.ts";
import { inFlight, serveParent } from "./child.ts";

/** Handshakes as workers make them, up to the server's greeting. */
type Asked = Readonly<Record<string, unknown>>;

makeTrustStorePrivate();
const held: Deno.TlsConn[] = [];

async function dial(asked: Asked): Promise<Deno.TlsConn> {
  const tls = await openVerified({
    endpoint: { host: "127.0.0.1", port: Number(asked["port"]) },
    credentials: {
      rootsPem: String(asked["rootsPem"]),
      identity: {
        chainPem: String(asked["chainPem"]),
        keyPem: String(asked["keyPem"]),
      },
    },
    serverName: "swarm-manager",
    alpn: NODE_ALPN,
  });
  await tls.read(new Uint8Array(16));
  return tls;
}

/** A new key, a certificate for it, and a connection with that. */
async function renew(index: number, asked: Asked): Promise<void> {
  const old = held[index];
  if (!old) throw new RangeError(`There is no connection ${index}`);
  const key = await systemCrypto.generateKey();
  await old.write(await createCsr(systemCrypto, key));
  const buffer = new Uint8Array(4_096);
  const der = buffer.subarray(0, await old.read(buffer) ?? 0);
  const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
  held[index] = await dial({
    ...asked,
    chainPem: encodePem("CERTIFICATE", der),
    keyPem: encodePem("PRIVATE KEY", pkcs8),
  });
  old.close();
}

await serveParent({}, {
  /** So many, with so many at a time, each closed at once. */
  rush: async (asked) => {
    const began = performance.now();
    const plan = {
      count: Number(asked["count"]),
      width: Number(asked["width"]),
    };
    await inFlight(plan, async () => (await dial(asked)).close());
    return { wallMs: performance.now() - began };
  },
  /** So many that stay open. */
  hold: async (asked) => {
    const plan = { count: Number(asked["count"]), width: 64 };
    await inFlight(plan, async () => held.push(await dial(asked)));
  },
  /** Each that is open, with so many at a time. */
  renew: async (asked) => {
    const plan = { count: held.length, width: Number(asked["width"]) };
    await inFlight(plan, (i) => renew(i, asked));
  },
});
Deno.exit();
