import {
  assert,
  assertEquals,
  assertFalse,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { fromUtf8 } from "../../lib/base/bytes.ts";
import { encodeBase36 } from "../../lib/base/base36.ts";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/base/time.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import type { WireMessage } from "../../lib/rpc/message.ts";
import { WorkerState } from "../../lib/worker/state.ts";
import { turn } from "../fakes/clock.ts";
import { CALM, House, NOW } from "../manager/house.ts";
import { diskFull } from "../sim/sim_disk.ts";
import { Device, MANAGER, serverOf } from "./device.ts";
import { Net } from "./net.ts";

async function refusal(
  work: Promise<unknown>,
  code: ErrorCode,
): Promise<SwarmdError> {
  const error = await assertRejects(() => work, SwarmdError);
  assertEquals(error.code, code, error.message);
  return error;
}

/** Names of what was asked on connections, in order. */
function asked(messages: readonly WireMessage[]): string[] {
  return messages.flatMap((m) => "method" in m ? [m.method] : []);
}

/** No connection ever carried the secret of a token. */
async function assertSecretKept(device: Device, token?: string) {
  const shown = token ?? await device.house.tokens.show("worker");
  const secret = encodeBase36(parseJoinToken(shown).secret);
  const all = [
    ...device.net.written({ verified: true }),
    ...device.net.written({ verified: false }),
  ];
  assertFalse(JSON.stringify(all).includes(secret));
}

Deno.test("join() makes an identity, and remembers where it is", async () => {
  const device = new Device(await House.open());
  const { house, disk } = device;
  const held = await device.join();
  assertEquals(held.role, "worker");
  assertEquals(held.clusterId, house.cluster.id);
  assertEquals(house.node(held.nodeId).description?.hostname, "edge");
  assert(disk.identity?.keyPem.includes("PRIVATE KEY"));
  const state = await WorkerState.load(disk.open(CALM));
  const membership = state.of(held.nodeId);
  assertEquals(membership?.cluster, house.cluster.id);
  assertEquals(membership?.binding, "machine");
  assertEquals(membership?.seeds, [MANAGER]);
  assertEquals(membership?.issuedAt, NOW);
  const due = membership?.renewAt ?? 0;
  assert(due >= NOW + 45 * DAY && due <= NOW + 72 * DAY);
  // Nothing of the way is left.
  assertEquals(await disk.open(CALM).loadStagedKey(), undefined);
  assertEquals(house.clock.pending, 0);
});

Deno.test("join() makes a manager of a manager's token", async () => {
  const device = new Device(await House.open());
  assertEquals((await device.join({ role: "manager" })).role, "manager");
});

Deno.test("join() says each thing to whom it is for, and not before", async () => {
  const device = new Device(await House.open());
  await device.join();
  const unverified = device.net.written({ verified: false });
  assertEquals(asked(unverified), ["hello", "ca.root"]);
  // Who is not verified learns neither token, nor name, nor key.
  const said = JSON.stringify(unverified);
  assertFalse(said.includes("edge"));
  assertFalse(said.includes(device.house.cluster.tokens.worker.id));
  const verified = device.net.written({ verified: true });
  assertEquals(asked(verified), ["hello", "join"]);
  const { tokens } = device.house;
  const { secret } = parseJoinToken(await tokens.show("worker"));
  assertFalse(JSON.stringify(verified[0]).includes(encodeBase36(secret)));
  assert(JSON.stringify(verified[1]).includes(encodeBase36(secret)));
});

Deno.test("join() has the key on disk before it is asked for", async () => {
  const device = new Device(await House.open());
  const pipes = () => asked(device.net.written({ verified: true }));
  let order: string[] = [];
  const disk = {
    before: (what: string) => {
      order = [...order, `${what} after ${pipes().join()}`];
      return Promise.resolve();
    },
    after: () => Promise.resolve(),
  };
  await device.join({ disk });
  assertEquals(order, [
    "stage after ",
    "state after hello,join",
    "save after hello,join",
    "unstage after hello,join",
  ]);
});

Deno.test("join() refuses another root before anything is sent", async () => {
  const device = new Device(await House.open());
  const other = await House.open({ label: "other" });
  device.net.servers.set(MANAGER, serverOf(other));
  const error = await refusal(device.join(), "root-mismatch");
  assert(error.hint?.includes("swarmd token show"));
  assertEquals(asked(device.net.written({ verified: true })), []);
  await assertSecretKept(device);
});

Deno.test("join() refuses a manager of the right root that does not know the token", async () => {
  const device = new Device(await House.open());
  const other = await House.open({ label: "other" });
  const { digest } = parseJoinToken(await device.house.tokens.show("worker"));
  // The root of this house, the secret of another.
  const [, , , secret] = (await other.tokens.show("worker")).split("-");
  const token = `SWMTKN-1-${encodeBase36(digest)}-${secret}`;
  const error = await refusal(device.join({ token }), "token-refused");
  assertEquals(error.verdict, "stop");
  assertEquals(asked(device.net.written({ verified: true })), ["hello"]);
  await assertSecretKept(device, token);
});

Deno.test("join() passes on what a verified manager refuses with, and stops", async () => {
  const device = new Device(await House.open());
  const { house } = device;
  const held = await device.join();
  const key = await stageUsedKey(device);
  await house.seen(held.nodeId);
  await house.clock.advance(11 * MINUTE);
  const before = device.disk.identity;
  const managers = [MANAGER, "10.0.0.6:2377"];
  const error = await refusal(device.join({ managers }), "already-joined");
  assertEquals(error.verdict, "stop");
  assert(!device.net.dialled.some((d) => d.endpoint === managers[1]));
  // What was there before is there still.
  assertEquals(device.disk.identity, before);
  assertEquals((await device.disk.open(CALM).loadStagedKey())?.keyPem, key);
});

/** As if the process had died before it let go of the key. */
async function stageUsedKey({ disk, house }: Device): Promise<string> {
  const keyPem = disk.identity?.keyPem ?? "";
  const { digest } = parseJoinToken(await house.tokens.show("worker"));
  await disk.open(CALM).saveStagedKey({
    keyPem,
    purpose: "join",
    createdAt: house.clock.now(),
    binding: {
      machine: "machine",
      token: house.cluster.tokens.worker.id,
      root: [...digest].map((b) => b.toString(16).padStart(2, "0")).join(""),
    },
  });
  return keyPem;
}

Deno.test("join() tries the next address when one is not reached, or is no manager", async () => {
  const house = await House.open();
  const other = await House.open({ label: "other" });
  const impostors = ["10.0.0.7:1", "10.0.0.8:1", "10.0.0.9:1"];
  const device = new Device(house);
  device.net.servers.set("10.0.0.8:1", serverOf(other));
  device.net.servers.set("10.0.0.9:1", {
    chain: () => [],
    accept: (connection) => connection.destroy(),
  });
  const held = await device.join({ managers: [...impostors, MANAGER] });
  const state = await WorkerState.load(device.disk.open(CALM));
  assertEquals(state.of(held.nodeId)?.last, MANAGER);
});

Deno.test("join() says of several managers what the one that answered said", async () => {
  const device = new Device(await House.open());
  const other = await House.open({ label: "other" });
  device.net.servers.set(MANAGER, serverOf(other));
  for (
    const managers of [
      [MANAGER, "10.0.0.7:1"],
      ["10.0.0.7:1", MANAGER],
    ]
  ) await refusal(device.join({ managers }), "root-mismatch");
  await refusal(
    device.join({ managers: ["10.0.0.7:1", "10.0.0.8:1"] }),
    "unreachable",
  );
});

Deno.test("join() names both clocks when only the dates are wrong", async () => {
  const device = new Device(await House.open());
  const { clock } = device.house;
  const wrong = {
    now: () => clock.now() + 100 * DAY,
    monotonic: () => clock.monotonic(),
    schedule: clock.schedule.bind(clock),
  };
  const net = new Net({ clock: wrong, crypto: device.crypto });
  net.servers.set(MANAGER, serverOf(device.house));
  const ports = { ...device.ports(), clock: wrong, dialer: net };
  const error = await refusal(device.join({ ports }), "clock-skew");
  assert(error.message.includes("2026-04-11T00:00:00Z"), error.message);
  assert(error.message.includes("2026-01-01T00:00:00Z"), error.message);
  assertEquals(error.data["there"], NOW);
});

Deno.test("join() gives up on a manager that does not answer", async () => {
  const device = new Device(await House.open());
  device.net.servers.set(MANAGER, {
    ...serverOf(device.house),
    accept: (connection) =>
      connection.start({ message: () => {}, closed: () => {} }),
  });
  const joining = refusal(device.join(), "timed-out");
  await turn();
  await device.house.clock.advance(20 * SECOND);
  await joining;
  await assertSecretKept(device);
});

Deno.test("join() ends when it is told to", async () => {
  const device = new Device(await House.open());
  const stop = new AbortController();
  device.net.stalled = true;
  const joining = device.join({ signal: stop.signal });
  await turn();
  stop.abort(new Error("stopped"));
  await assertRejects(() => joining, Error, "stopped");
  assertEquals(device.net.dialled.length, 1);
});

Deno.test("join() fails without harm when the disk is full", async () => {
  const points = ["stage", "state", "save", "unstage"];
  for (const point of points) {
    const device = new Device(await House.open());
    const disk = {
      before: (what: string) =>
        what === point ? Promise.reject(diskFull()) : Promise.resolve(),
      after: () => Promise.resolve(),
    };
    const joining = device.join({ disk });
    if (point !== "unstage") await refusal(joining, "disk");
    else await joining.catch((error) => assert(error instanceof SwarmdError));
    // With room again the same key is the same node.
    const held = await device.join();
    assertEquals(device.house.nodes.length, 2, point);
    assertEquals(
      held.nodeId,
      device.house.nodes.find((n) => n.role === "worker")?.id,
    );
  }
});

Deno.test("join() asks with the same key after a lost answer, and is the same node", async () => {
  const house = await House.open();
  const device = new Device(house);
  const server = serverOf(house);
  let losses = 5;
  device.net.servers.set(MANAGER, {
    ...server,
    accept: (connection) => {
      const send = connection.send.bind(connection);
      connection.send = (payload) => {
        const answers = fromUtf8(payload).includes('"chain"');
        if (answers && losses-- > 0) connection.destroy();
        else send(payload);
      };
      server.accept(connection);
    },
  });
  for (let i = 0; i < 5; i++) {
    await refusal(device.join(), "unreachable");
    await house.clock.advance(HOUR);
  }
  const held = await device.join();
  assertEquals(house.nodes.length, 2);
  assertEquals(house.node(held.nodeId).certificates.pending?.issuedAt, NOW);
});

Deno.test("join() reuses a staged key only on its machine, with its token, in its day", async () => {
  const cases: readonly [string, (device: Device) => Promise<void> | void][] = [
    ["the same", () => {}],
    ["an hour later", ({ house }) => house.clock.advance(HOUR)],
    ["a day later", ({ house }) => house.clock.advance(DAY)],
    ["the clock set back a day", ({ house }) => house.clock.stepWall(-DAY)],
    ["another machine", (device) => {
      device.binding = "copy";
    }],
    ["another purpose", async ({ disk }) => {
      const store = disk.open(CALM);
      const staged = await store.loadStagedKey();
      assert(staged);
      await store.saveStagedKey({ ...staged, purpose: "renew" });
    }],
  ];
  for (const [what, happens] of cases) {
    const device = new Device(await House.open());
    const first = await stagedBy(device);
    await happens(device);
    const second = await stagedBy(device);
    const same = ["the same", "an hour later"].includes(what);
    assertEquals(first === second, same, what);
  }
});

Deno.test("join() makes another key for another token, or another root", async () => {
  const house = await House.open();
  const device = new Device(house);
  const worker = await stagedBy(device);
  const manager = await stagedBy(device, await house.tokens.show("manager"));
  assertNotEquals(worker, manager);
  // The same secret under another root: two clusters may share neither.
  const other = await House.open({ label: "other" });
  const [prefix, version, digest] = (await other.tokens.show("worker"))
    .split("-");
  const [, , , secret] = (await house.tokens.show("manager")).split("-");
  const token = [prefix, version, digest, secret].join("-");
  assertNotEquals(await stagedBy(device, token), manager);
});

/** The key that a join stages that reaches nobody. */
async function stagedBy(device: Device, token?: string): Promise<string> {
  device.net.down = true;
  await refusal(
    device.join(token === undefined ? {} : { token }),
    "unreachable",
  );
  const staged = await device.disk.open(CALM).loadStagedKey();
  const [der] = decodePem(staged?.keyPem ?? "", "PRIVATE KEY");
  return String(der);
}

Deno.test("join() makes a new key where the staged one cannot be read", async () => {
  for (
    const keyPem of [
      "",
      "garbage",
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ]
  ) {
    const device = new Device(await House.open());
    await stagedBy(device);
    device.net.down = false;
    const store = device.disk.open(CALM);
    const staged = await store.loadStagedKey();
    assert(staged);
    await store.saveStagedKey({ ...staged, keyPem });
    const held = await device.join();
    assert(device.house.node(held.nodeId));
  }
  // A file that is no staged key at all.
  const device = new Device(await House.open());
  const ports = device.ports();
  const unreadable = {
    ...ports.identity,
    loadStagedKey: () =>
      Promise.reject(new SwarmdError("damaged-state", "Cannot read it")),
  };
  await device.join({ ports: { ...ports, identity: unreadable } });
});
