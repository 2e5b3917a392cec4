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
});
Deno.exit();
