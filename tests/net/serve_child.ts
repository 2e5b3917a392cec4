// Run by unix_http_test.ts in a process of its own: serves PATH and a TLS port,
// and says who answers there and on 127.0.0.1:PORT.
import { silentLogger } from "../../lib/base/logger.ts";
import { systemClock } from "../../lib/net/system.ts";
import { listenTls } from "../../lib/net/tls_server.ts";
import { serveUnix, unixRequest } from "../../lib/net/unix_http.ts";
import { newAuthority, serverCredentials } from "./certificates.ts";

const [path = "", port] = Deno.args;
const tls = await listenTls({
  listen: { host: "127.0.0.1", port: 0 },
  credentials: await serverCredentials(await newAuthority()),
  logger: silentLogger,
  clock: systemClock,
  accept: (connection) => connection.destroy(),
});
const unix = await serveUnix(path, {
  handler: () => Promise.resolve({ status: 200 }),
  logger: silentLogger,
});
const { status } = await unixRequest(path, { method: "GET", path: "/" });

function isOpen(port: number): Promise<boolean> {
  return Deno.connect({ port }).then((connection) => {
    connection.close();
    return true;
  }, () => false);
}

const found = {
  status,
  own: await isOpen(tls.endpoint.port),
  other: await isOpen(Number(port)),
};
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(found)));
await Promise.all([tls.close(), unix.close()]);
