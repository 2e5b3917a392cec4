import { assert, assertEquals } from "@std/assert";
import { fromUtf8 } from "../../lib/base/bytes.ts";
import { HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { startWorker } from "../../lib/worker/start.ts";
import { type Device, endpointOf, MANAGER } from "./device.ts";
import { Fleet } from "./fleet.ts";

const DEAD = ["10.0.0.7:2377", "10.0.0.8:2377"];

/** Its manager dies whenever it is asked for something, three times. */
function mortal(device: Device, method: string) {
  const server = device.net.servers.get(MANAGER);
  assert(server);
  const left = { deaths: 3 };
  device.net.servers.set(MANAGER, {
    ...server,
    accept: (connection) => {
      const start = connection.start.bind(connection);
      connection.start = (events) =>
        start({
          closed: (error) => events.closed(error),
          message: (payload) => {
            const dies = fromUtf8(payload).includes(`"${method}"`);
            if (dies && left.deaths-- > 0) connection.destroy();
            else events.message(payload);
          },
        });
      server.accept(connection);
    },
  });
  return left;
}

/** `worker join` with three addresses, of which one answers. */
async function joining(fleet: Fleet, device: Device) {
  const token = await fleet.house.tokens.show("worker");
  return await startWorker(device.ports(), {
    join: {
      token: parseJoinToken(token),
      managers: [...DEAD, MANAGER].map(endpointOf),
    },
    stateDir: "/state",
    signal: new AbortController().signal,
  });
}

Deno.test("Worker joins, renews and beats by the one address that it reaches, though its manager dies amid each", async () => {
  for (const method of ["hello", "join", "node.renew", "heartbeat"]) {
    await using fleet = await Fleet.open({ leafLifeMs: HOUR });
    const device = fleet.device("one");
    const left = mortal(device, method);
    for (let i = 0; i < 3 && left.deaths > 0; i++) {
      await joining(fleet, device).catch(() => undefined);
      await fleet.pass(SECOND);
    }
    await joining(fleet, device);
    const { worker, id } = await fleet.run(device);
    await fleet.pass(MINUTE);
    assert(worker.uplink.connected, method);
    await fleet.pass(50 * MINUTE);
    assert(left.deaths < 0, `${method} was asked for`);
    assert(worker.uplink.connected, method);
    const renewed = device.events.filter(({ event }) => event === "renewed");
    assertEquals(renewed.length, 1, method);
    // One machine, one node, however often it had to ask.
    assertEquals(fleet.house.nodes.length, 2, method);
    assertEquals(fleet.running.manager.desk.sessions.liveness(id), "ready");
  }
});
