import { assertEquals } from "@std/assert";
import { SeededRandom } from "../../lib/base/seeded_random.ts";
import { FaultProxy } from "../../lib/net/fault_proxy.ts";

/** Two ends of a connection through a proxy. */
async function connect(proxy: FaultProxy, listener: Deno.TcpListener) {
  const { host: hostname, port } = proxy.endpoint;
  const [client, server] = await Promise.all([
    Deno.connect({ hostname, port }),
    listener.accept(),
  ]);
  // When a byte has come through, the proxy knows of it.
  await client.write(new Uint8Array([1]));
  await server.read(new Uint8Array(1));
  return { client, server };
}

Deno.test("FaultProxy counts a cut for each connection that it cut, and no more", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const proxy = new FaultProxy({
    target: () => ({ host: "127.0.0.1", port }),
    random: new SeededRandom(1),
  });
  for (let connections = 1; connections <= 3; connections++) {
    const { client, server } = await connect(proxy, listener);
    for (let faults = 0; faults < 100; faults++) proxy.fault();
    assertEquals(proxy.counts.cuts, connections);
    for (const side of [client, server]) {
      assertEquals(await side.read(new Uint8Array(1)).catch(() => null), null);
      side.close();
    }
  }
  await proxy.close();
});

Deno.test("FaultProxy.fault() counts nothing where there is nothing to break", async () => {
  const target = () => ({ host: "127.0.0.1", port: 1 });
  const proxy = new FaultProxy({ target, random: new SeededRandom(1) });
  for (let faults = 0; faults < 100; faults++) proxy.fault();
  const { cuts, stalls, delays, halfCloses } = proxy.counts;
  assertEquals([cuts, stalls, delays, halfCloses], [0, 0, 0, 0]);
  await proxy.close();
});
