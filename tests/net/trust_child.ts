// Run by traps_test.ts in a process of its own: dials 127.0.0.1:PORT with the
// roots in FILE, and says how it went.
import { SwarmdError } from "../../lib/base/errors.ts";
import { makeTrustStorePrivate } from "../../lib/net/private_trust.ts";
import { systemClock } from "../../lib/net/system.ts";
import { tlsDialer } from "../../lib/net/tls_client.ts";

const [port, file = "", flag] = Deno.args;
if (flag !== "--careless") makeTrustStorePrivate();
const rootsPem = await Deno.readTextFile(file);
const endpoint = { host: "127.0.0.1", port: Number(port) };
const { signal } = new AbortController();
try {
  const connection = await tlsDialer({ clock: systemClock })
    .dial(endpoint, { rootsPem }, signal);
  connection.destroy();
  await Deno.stdout.write(new TextEncoder().encode("connected\n"));
} catch (error) {
  if (!(error instanceof SwarmdError)) throw error;
  const text = `refused: ${error.code}: ${error.message}\n`;
  await Deno.stdout.write(new TextEncoder().encode(text));
}
