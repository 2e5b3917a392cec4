import { assert, assertEquals, assertRejects } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { hasCode, SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { issueLeaf, newSerial, type Role } from "../../lib/pki/profile.ts";
import { createRoot } from "../../lib/pki/root.ts";
import type { Connection } from "../../lib/rpc/connection.ts";
import {
  type ConnectionPair,
  record,
  testConnectionContract,
} from "../contracts/connection_contract.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import { EventLog } from "./event_log.ts";
import { MachineClock, START } from "./machine_clock.ts";
import { Network } from "./network.ts";
import { SimProcess } from "./process.ts";
import { VirtualClock } from "./virtual_clock.ts";

const ID = "0".repeat(25);
const PORT = 2377;
const never = new AbortController().signal;

/** Two machines, of which one listens. */
async function setUp(role: Role = "manager") {
  const clock = new VirtualClock();
  const log = new EventLog(clock);
  const random = new StreamRandom("network");
  const crypto = new SimCrypto(random);
  const network = new Network({ clock, log, crypto, random });
  const machine = (name: string, ip: string) => {
    const host = network.addHost({ name, ip, random, latencyMs: 10 });
    const time = new MachineClock(clock, 0);
    const process = new SimProcess({
      host,
      clock: time,
      label: name,
      crashPlan: undefined,
      machine: { diskFull: false, diskFlaky: false },
      crash: () => {},
      wrote: () => {},
    });
    return { host, clock: time, process };
  };
  const server = machine("server", "10.0.0.1");
  const client = machine("client", "10.0.0.2");
  const pems = await credentials(crypto, role);
  const accepted: Connection[] = [];
  const listener = network.listen({
    process: server.process,
    port: PORT,
    credentials: pems,
    accept: (connection) => accepted.push(connection),
  });
  const dial = () =>
    network.dialer(client.process).dial(
      listener.endpoint,
      { rootsPem: pems.rootsPem },
      never,
    );
  return { clock, network, server, client, pems, accepted, listener, dial };
}

async function credentials(crypto: SimCrypto, role: Role) {
  const random = new StreamRandom("certificates");
  const key = await crypto.generateKey();
  const rootKey = await crypto.generateKey();
  const options = { random, now: START, generation: 1, key: rootKey };
  const rootDer = await createRoot(crypto, options);
  const der = await issueLeaf(crypto, {
    issuer: await readCertificate(crypto, rootDer),
    issuerKey: rootKey.privateKey,
    profile: {
      clusterId: ID,
      nodeId: ID,
      role,
      spki: key.spki,
      serial: newSerial(random),
      notBefore: START - HOUR,
      notAfter: START + DAY,
      dnsNames: [],
      ipAddresses: [],
    },
  });
  return {
    rootsPem: encodePem("CERTIFICATE", rootDer),
    chainPem: encodePem("CERTIFICATE", der),
    keyPem: encodePem("PRIVATE KEY", await crypto.exportPkcs8(key.privateKey)),
  };
}

/** Opens a connection, as far as the clock is concerned. */
async function connected(world: Awaited<ReturnType<typeof setUp>>) {
  const dialled = world.dial();
  await world.clock.runUntil(world.clock.now + SECOND);
  const near = await dialled;
  const [far] = world.accepted;
  assert(far);
  return { near, far };
}

/** Lets simulated time pass beside a test that waits for real. */
function running(clock: VirtualClock): () => Promise<void> {
  let wanted = true;
  const loop = (async () => {
    while (wanted) {
      await clock.runUntil(clock.now + 100);
      await new Promise((resolve) => setTimeout(resolve));
    }
  })();
  return () => {
    wanted = false;
    return loop;
  };
}

async function openPair(): Promise<ConnectionPair> {
  const world = await setUp();
  const { near, far } = await connected(world);
  return { near, far, dispose: running(world.clock) };
}

testConnectionContract("Link's client", openPair);
testConnectionContract("Link's server", async () => {
  const { near, far, dispose } = await openPair();
  return { near: far, far: near, dispose };
});

Deno.test("Dialer fails as the real one does", async () => {
  const cases = [
    ["unreachable", (w) => w.listener.close()],
    ["unreachable", (w) => w.server.host.refusing = true],
    ["timed-out", (w) => w.network.setReachable(w.server.host, false)],
    ["clock-skew", (w) => w.client.clock.step(2 * DAY)],
    ["clock-skew", (w) => w.client.clock.step(-2 * HOUR)],
  ] as const satisfies readonly [
    string,
    (world: Awaited<ReturnType<typeof setUp>>) => unknown,
  ][];
  for (const [code, spoil] of cases) {
    const world = await setUp();
    await spoil(world);
    const failed = assertRejects(world.dial, SwarmdError);
    await world.clock.runUntil(MINUTE);
    assertEquals((await failed).code, code);
  }
});

Deno.test("Dialer refuses a worker's certificate, and one of another authority", async () => {
  const worker = await setUp("worker");
  const refused = assertRejects(worker.dial, SwarmdError, "swarm-manager");
  await worker.clock.runUntil(SECOND);
  await refused;
  const world = await setUp();
  const random = new StreamRandom("another");
  world.listener.replace(await credentials(new SimCrypto(random), "manager"));
  const foreign = assertRejects(world.dial, SwarmdError);
  await world.clock.runUntil(SECOND);
  assertEquals((await foreign).code, "tls");
});

Deno.test("Link holds what it carries while a host is away, then delivers it in order", async () => {
  const world = await setUp();
  const { near, far } = await connected(world);
  const theirs = record(far);
  record(near);
  world.network.setReachable(world.client.host, false);
  for (const text of ["one", "two"]) near.send(utf8(text));
  await world.clock.runUntil(10 * MINUTE);
  assertEquals(theirs.messages, []);
  world.network.setReachable(world.client.host, true);
  near.send(utf8("three"));
  await world.clock.runUntil(11 * MINUTE);
  assertEquals(theirs.messages, ["one", "two", "three"].map(utf8));
});

Deno.test("Link tells a sender after 15 minutes without the other host, and the other when it speaks", async () => {
  const world = await setUp();
  const { near, far } = await connected(world);
  const [ours, theirs] = [record(near), record(far)];
  world.network.setReachable(world.server.host, false);
  near.send(utf8("lost"));
  await world.clock.runUntil(20 * MINUTE);
  assert(hasCode(await ours.ended, "timed-out"));
  assertEquals(theirs.closedCalls, 0);
  world.network.setReachable(world.server.host, true);
  far.send(utf8("is anybody there"));
  await world.clock.runUntil(21 * MINUTE);
  await theirs.ended;
});

Deno.test("Link tells both ends of a cut, one end of a kill, and nobody of a black hole", async () => {
  const end = async (
    spoil: (world: Awaited<ReturnType<typeof setUp>>) => void,
  ) => {
    const world = await setUp();
    const { near, far } = await connected(world);
    const [ours, theirs] = [record(near), record(far)];
    spoil(world);
    near.send(utf8("x"));
    far.send(utf8("y"));
    await world.clock.runUntil(HOUR);
    return [ours.closedCalls, theirs.closedCalls, theirs.messages.length];
  };
  const links = ({ network, client }: Awaited<ReturnType<typeof setUp>>) =>
    network.linksOf(client.host);
  assertEquals(await end((w) => links(w)[0]?.cut()), [1, 1, 0]);
  assertEquals(await end((w) => links(w)[0]?.blackHole()), [0, 0, 0]);
  const kill = (silent: boolean) => (w: Awaited<ReturnType<typeof setUp>>) => {
    w.client.process.kill();
    w.network.killed(w.client.process, { silent });
  };
  assertEquals(await end(kill(false)), [0, 1, 0]);
  // The machine is there again, and knows nothing of the connection.
  assertEquals(await end(kill(true)), [0, 1, 0]);
});
