import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { connect } from "node:net";
import { utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { SECOND } from "../../lib/base/time.ts";
import { DEFAULT_LIMITS } from "../../lib/net/connection_limits.ts";
import { systemClock } from "../../lib/net/system.ts";
import { NODE_ALPN } from "../../lib/net/tls_errors.ts";
import { assertCanListen, listenTls } from "../../lib/net/tls_server.ts";
import type { Connection } from "../../lib/rpc/connection.ts";
import { record } from "../contracts/connection_contract.ts";
import {
  clientCredentials,
  newAuthority,
  newLeaf,
  serverCredentials,
} from "./certificates.ts";
import { dialer, never, TestServer } from "./harness.ts";

const authority = await newAuthority();
const other = await newAuthority();
const server = await serverCredentials(authority);
const client = await clientCredentials(authority);

/** Sends every frame back. */
function echo(connection: Connection): void {
  connection.start({
    message: (payload) => connection.send(payload),
    closed() {},
  });
}

Deno.test("replace() changes what new handshakes see, and no open connection", async () => {
  await using listening = await TestServer.start(server, { accept: echo });
  const open = await Promise.all(
    Array.from(
      { length: 50 },
      () => dialer.dial(listening.endpoint, client, never),
    ),
  );
  const recorders = open.map(record);
  for (let round = 1; round <= 50; round++) {
    const pair = await newLeaf(authority);
    listening.listener.replace({ ...pair, rootsPem: authority.pem });
    for (const connection of open) connection.send(utf8(`round ${round}`));
    const fresh = await dialer.dial(listening.endpoint, client, never);
    assertEquals(fresh.facts.presented, [pair.der]);
    fresh.destroy();
    await Promise.all(recorders.map((each) => each.received(round)));
  }
  for (const each of recorders) {
    assertEquals(each.closedCalls, 0);
    assertEquals(each.messages.at(-1), utf8("round 50"));
  }
  for (const connection of open) connection.destroy();
  assertEquals(listening.outcomes.filter((each) => each === "failed"), []);
});

Deno.test("a connection tells which leaf its handshake showed, whatever came meanwhile", async () => {
  await using listening = await TestServer.start(server);
  const { port } = listening;
  const fresh = await newLeaf(authority);
  const raw = await Deno.connect({ hostname: "127.0.0.1", port });
  // What connects last is accepted last: the first is in its handshake then.
  const before = dialer.dial(listening.endpoint, client, never);
  const shown = (await listening.accepted()).facts.servedLeaf;
  (await before).destroy();
  listening.listener.replace({ ...fresh, rootsPem: authority.pem });
  const tls = await Deno.startTls(raw, {
    ...{ hostname: "swarm-manager", caCerts: [authority.pem] },
    alpnProtocols: [NODE_ALPN],
  });
  await tls.handshake();
  assertEquals((await listening.accepted()).facts.servedLeaf, shown);
  tls.close();
  const after = await dialer.dial(listening.endpoint, client, never);
  const [leaf = new Uint8Array()] = after.facts.presented;
  const digest = await crypto.subtle.digest("SHA-256", leaf);
  assertEquals(
    (await listening.accepted()).facts.servedLeaf,
    new Uint8Array(digest).toHex(),
  );
  assertNotEquals(new Uint8Array(digest).toHex(), shown);
  after.destroy();
});

Deno.test("replace() keeps the old credentials when the new cannot work", async () => {
  await using listening = await TestServer.start(server);
  const fresh = await newLeaf(authority);
  const bad = {
    "another key": { ...server, keyPem: fresh.keyPem },
    "no key": { ...server, keyPem: "" },
    "garbage for a key": {
      ...server,
      keyPem: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    },
    "garbage for a certificate": { ...server, chainPem: "garbage" },
    "a damaged certificate": {
      ...server,
      chainPem: server.chainPem.replace(/\n.{10}/, "\nAAAAAAAAAA"),
    },
    "no root": { ...server, rootsPem: "" },
    "a key for a root": { ...server, rootsPem: fresh.keyPem },
  };
  for (const [name, credentials] of Object.entries(bad)) {
    const error = assertThrows(
      () => listening.listener.replace(credentials),
      SwarmdError,
      "Cannot serve with the manager's certificate",
      name,
    );
    assertEquals(error.code, "damaged-state");
    (await dialer.dial(listening.endpoint, client, never)).destroy();
  }
});

Deno.test("replace() takes several roots, and expects their clients", async () => {
  await using listening = await TestServer.start(server, { accept: echo });
  const rootsPem = authority.pem + other.pem;
  listening.listener.replace({ ...server, rootsPem });
  const connection = await dialer.dialUnverified(listening.endpoint, never);
  assertEquals(connection.facts.presented.slice(1), [
    authority.certificate.der,
    other.certificate.der,
  ]);
  connection.destroy();
});

Deno.test("listenTls() refuses credentials that cannot work", async () => {
  const { keyPem } = await newLeaf(authority);
  const error = await assertRejects(
    () => TestServer.start({ ...server, keyPem }),
    SwarmdError,
    "the key is not the certificate's",
  );
  assertEquals(error.code, "damaged-state");
});

Deno.test("listenTls() says why it cannot listen", async () => {
  await using listening = await TestServer.start(server);
  const error = await assertRejects(
    () => TestServer.start(server, { listen: listening.endpoint }),
    SwarmdError,
    `Cannot listen on 127.0.0.1:${listening.port}: another program listens there`,
  );
  assertEquals([error.code, error.verdict], ["too-busy", "stop"]);
});

Deno.test("listenTls() and assertCanListen() say the same of an address that is another machine's", async () => {
  // TEST-NET-1 of RFC 5737
  const listen = { host: "192.0.2.1", port: 0 };
  for (
    const tried of [
      () => TestServer.start(server, { listen }),
      () => Promise.resolve().then(() => assertCanListen(listen)),
    ]
  ) {
    const error = await assertRejects(tried, SwarmdError);
    assertEquals(
      [error.code, error.message],
      [
        "usage",
        "Cannot listen on 192.0.2.1:0: this machine has no such address",
      ],
    );
  }
});

Deno.test("close() destroys what is open, in every state", async () => {
  const listening = await TestServer.start(server);
  const near = await dialer.dial(listening.endpoint, client, never);
  const far = await listening.accepted();
  const recorders = [record(near), record(far)];
  const silent = await Deno.connect({ port: listening.port });
  await listening.listener.close();
  await Promise.all(recorders.map(({ ended }) => ended));
  await silent.read(new Uint8Array(1)).catch(() => null);
  silent.close();
  await assertRejects(
    () =>
      dialer.dial({ host: "127.0.0.1", port: listening.port }, client, never),
    SwarmdError,
  );
});

Deno.test("a handshake that takes too long is cut off", async () => {
  await using listening = await TestServer.start(server, { handshakeMs: 200 });
  const start = performance.now();
  const silent = await Deno.connect({ port: listening.port });
  const slow = await Deno.connect({ port: listening.port });
  const dripping = setInterval(() => {
    // The head of a TLS record, and then its body, byte by byte
    slow.write(Uint8Array.of(0x16)).catch(() => clearInterval(dripping));
  }, 20);
  const ends = [silent, slow].map(async (each) => {
    const end = await each.read(new Uint8Array(100)).catch(() => null);
    each.close();
    return end;
  });
  await Promise.all(ends);
  clearInterval(dripping);
  const took = performance.now() - start;
  assert(took >= 150 && took < 2_000, `${took} ms`);
  await listening.settled("failed", 2);
  assertStringIncludes(listening.log.text, "TLS handshake failed");
});

// W11: what one stranger sends costs nobody else.
Deno.test("a flood from one address is held to its rate, and no other address", async () => {
  await using listening = await TestServer.start(server, {
    limits: { ...DEFAULT_LIMITS, ratePerSecond: 200, burst: 50 },
    accept: echo,
  });
  const start = performance.now();
  const flood = await Promise.all(
    Array.from(
      { length: 1_000 },
      () => connectFrom("127.0.0.9", listening.port),
    ),
  );
  for (const socket of flood) socket.destroy();
  const seconds = (performance.now() - start) / SECOND;
  (await dialer.dial(listening.endpoint, client, never)).destroy();
  await listening.settled("limited", 1_000 - Math.ceil(50 + 200 * seconds) - 1);
  assertStringIncludes(listening.log.text, "too many from its address");
  assertStringIncludes(listening.log.text, "127.0.0.9");
});

/** A bare connection from an address of this machine. */
function connectFrom(localAddress: string, port: number) {
  return new Promise<ReturnType<typeof connect>>((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    socket.on("connect", () => resolve(socket));
    socket.on("error", () => resolve(socket));
  });
}

Deno.test("strangers never take the place of admitted nodes, nor of who waits", async () => {
  await using listening = await TestServer.start(server, {
    limits: { ...DEFAULT_LIMITS, maxAnonymous: 10 },
  });
  const nodes: Connection[] = [];
  for (let i = 0; i < 20; i++) {
    nodes.push(await dialer.dial(listening.endpoint, client, never));
    const far = await listening.accepted();
    echo(far);
    if (i % 2 === 0) far.admit();
    else far.keep();
  }
  const recorders = nodes.map(record);
  const strangers = await Promise.all(
    Array.from({ length: 60 }, () => connectFrom("127.0.0.1", listening.port)),
  );
  await listening.settled("evicted", 50);
  for (const node of nodes) node.send(utf8("still here"));
  await Promise.all(recorders.map((each) => each.received(1)));
  for (const each of [...nodes, ...strangers]) each.destroy();
  assertStringIncludes(listening.log.text, "too many that are not admitted");
  assert(!listening.log.text.includes("hang up"), listening.log.text);
});

Deno.test("a connection that accept() refuses is closed", async () => {
  await using listening = await TestServer.start(server, {
    accept: () => {
      throw new Error("fault");
    },
  });
  const near = await dialer.dial(listening.endpoint, client, never);
  await record(near).ended;
  assertStringIncludes(listening.log.text, "fault");
});

Deno.test("the server tells whose certificate came, whatever its worth", async () => {
  await using listening = await TestServer.start(server);
  const stranger = await newLeaf(other, { role: "worker" });
  const expired = await newLeaf(authority, { from: -9e7, until: -8e7 });
  for (const identity of [stranger, expired]) {
    const near = await dialer
      .dial(listening.endpoint, { rootsPem: authority.pem, identity }, never);
    const { facts } = await listening.accepted();
    // Both roots have the same name: nothing may be completed by it
    assertEquals(facts.presented, [identity.der]);
    assertEquals([facts.tlsVersion, facts.resumed], ["TLSv1.3", false]);
    near.destroy();
  }
});

Deno.test("listenTls() works on IPv6 and tells addresses plainly", async () => {
  const listener = await listenTls({
    listen: { host: "::", port: 0 },
    credentials: server,
    logger: silentLogger,
    clock: systemClock,
    accept: (connection) => {
      connection.start({ message() {}, closed() {} });
      connection.send(utf8(connection.facts.remote.host));
    },
  });
  for (const host of ["127.0.0.1", "::1"]) {
    const { port } = listener.endpoint;
    const near = await dialer.dial({ host, port }, client, never);
    const ours = record(near);
    await ours.received(1);
    assertEquals(ours.messages, [utf8(host)]);
    near.destroy();
  }
  await listener.close();
});

Deno.test("a client that ends its TCP connection in the handshake does no harm", async () => {
  await using listening = await TestServer.start(server);
  for (let i = 0; i < 20; i++) {
    const socket = await Deno.connect({ port: listening.port });
    await socket.write(utf8(i % 2 ? "" : "GET / HTTP/1.1\r\n\r\n"));
    socket.close();
  }
  await listening.settled("failed", 20);
  (await dialer.dial(listening.endpoint, client, never)).destroy();
});
