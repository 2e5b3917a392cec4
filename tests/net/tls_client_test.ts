import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { createServer as createTcpServer, type Server } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type TlsOptions } from "node:tls";
import { utf8 } from "../../lib/base/bytes.ts";
import { type ErrorCode, hasCode, SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR } from "../../lib/base/time.ts";
import type { Connection, Endpoint } from "../../lib/rpc/connection.ts";
import { systemClock } from "../../lib/net/system.ts";
import { tlsDialer } from "../../lib/net/tls_client.ts";
import { FakeClock } from "../fakes/clock.ts";
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
const client = await clientCredentials(authority);
const anonymous = { rootsPem: authority.pem };
const manager = await newLeaf(authority);

/** Serves while a dial is tried. */
async function dialAgainst(
  server: Server,
  dial: (endpoint: Endpoint) => Promise<Connection>,
): Promise<Connection | unknown> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  try {
    return await dial({ host: "127.0.0.1", port });
  } catch (error) {
    return error;
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((done) => server.close(() => done()));
  }
}

function tlsServer(options: TlsOptions): Server {
  const server = createServer({ ALPNProtocols: ["swarmd/1"], ...options });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

function pem(pair: { chainPem: string; keyPem: string }): TlsOptions {
  return { cert: pair.chainPem, key: pair.keyPem };
}

interface Case {
  readonly name: string;
  readonly server: () => Promise<Server> | Server;
  readonly code: ErrorCode;
  readonly text: string;
}

const CASES: readonly Case[] = [
  {
    name: "another cluster's manager",
    server: async () => tlsServer(pem(await newLeaf(other))),
    code: "tls",
    text: "its certificate is refused: ",
  },
  {
    name: "a worker of the cluster that poses as a manager",
    server: async () =>
      tlsServer(pem(await newLeaf(authority, { role: "worker" }))),
    code: "tls",
    text: 'not valid for name "swarm-manager"',
  },
  {
    name: "a manager whose certificate has expired",
    server: async () =>
      tlsServer(pem(await newLeaf(authority, { from: -DAY, until: -HOUR }))),
    code: "clock-skew",
    text: "expired",
  },
  {
    name: "a manager whose certificate is not yet valid",
    server: async () =>
      tlsServer(pem(await newLeaf(authority, { from: HOUR, until: DAY }))),
    code: "clock-skew",
    text: "not valid yet",
  },
  {
    name: "a server of another protocol",
    server: () => tlsServer({ ...pem(manager), ALPNProtocols: ["h2"] }),
    code: "tls",
    text: "it refuses, with TLS alert NoApplicationProtocol",
  },
  {
    name: "a server without any protocol",
    server: () => createServer(pem(manager)),
    code: "tls",
    text: "it does not speak swarmd/1",
  },
  {
    name: "a server without TLS",
    server: () =>
      createTcpServer((socket) =>
        socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")
      ),
    code: "tls",
    text: "it does not speak TLS",
  },
  {
    name: "a server that hangs up",
    server: () => createTcpServer((socket) => socket.destroy()),
    code: "unreachable",
    text: "it closed the connection",
  },
];

for (const { name, server, code, text } of CASES) {
  for (const [kind, credentials] of Object.entries({ client, anonymous })) {
    Deno.test(`dial() refuses ${name}, as ${kind}`, async () => {
      let address = "";
      const error = await dialAgainst(await server(), (endpoint) => {
        address = `127.0.0.1:${endpoint.port}`;
        return dialer.dial(endpoint, credentials, never);
      });
      assertInstanceOf(error, SwarmdError);
      assertEquals(error.code, code, error.message);
      assertStringIncludes(error.message, text);
      assertStringIncludes(error.message, address);
    });
  }
}

for (const kind of ["dial", "dialUnverified"] as const) {
  const attempt = (endpoint: Endpoint, signal = never) =>
    kind === "dial"
      ? dialer.dial(endpoint, client, signal)
      : dialer.dialUnverified(endpoint, signal);

  Deno.test(`${kind}() says that nothing listens`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    const error = await assertRejects(
      () => attempt({ host: "127.0.0.1", port }),
      SwarmdError,
      `127.0.0.1:${port}: connection refused`,
    );
    assertEquals(error.code, "unreachable");
  });

  Deno.test(`${kind}() says that a name has no address`, async () => {
    const error = await assertRejects(
      () => attempt({ host: "no-such-host.invalid", port: 2377 }),
      SwarmdError,
      "no-such-host.invalid:2377: the host name has no address",
    );
    assertEquals(error.code, "unreachable");
  });

  Deno.test(`${kind}() ends with the signal's reason`, async () => {
    const control = new AbortController();
    const silent = createTcpServer();
    const reason = new Error("enough");
    silent.on("connection", () => control.abort(reason));
    const error = await dialAgainst(
      silent,
      (endpoint) => attempt(endpoint, control.signal),
    );
    assertEquals(error, reason);
  });

  Deno.test(`${kind}() does not begin when its signal is aborted`, async () => {
    const reason = new Error("no");
    let connections = 0;
    const server = createTcpServer(() => connections++);
    const error = await dialAgainst(server, async (endpoint) => {
      try {
        return await attempt(endpoint, AbortSignal.abort(reason));
      } finally {
        // Whoever came before this one would have been counted
        (await Deno.connect({ hostname: endpoint.host, port: endpoint.port }))
          .close();
      }
    });
    assertEquals(error, reason);
    assert(connections <= 1);
  });

  Deno.test(`${kind}() gives up on a server that says nothing`, async () => {
    const clock = new FakeClock();
    const patient = tlsDialer({ clock, namesAreEnforced: async () => {} });
    const silent = createTcpServer();
    silent.on("connection", () => void clock.advance(10_000));
    const error = await dialAgainst(
      silent,
      (endpoint) =>
        kind === "dial"
          ? patient.dial(endpoint, client, never)
          : patient.dialUnverified(endpoint, never),
    );
    assert(hasCode(error, "timed-out"), String(error));
    assertStringIncludes(String(error), "no answer in 10000 ms");
    assertEquals(clock.pending, 0);
  });
}

Deno.test("dial() refuses everything when names are not enforced", async () => {
  await using listening = await TestServer.start(
    await serverCredentials(authority),
  );
  const fault = new SwarmdError("tls", "Cannot trust", { verdict: "stop" });
  const wary = tlsDialer({
    clock: systemClock,
    namesAreEnforced: () => Promise.reject(fault),
  });
  const error = await assertRejects(() =>
    wary.dial(listening.endpoint, client, never)
  );
  assertEquals(error, fault);
});

Deno.test("dial() proves by itself that names are enforced", async () => {
  await using listening = await TestServer.start(
    await serverCredentials(authority),
  );
  const plain = tlsDialer({ clock: systemClock });
  (await plain.dial(listening.endpoint, client, never)).destroy();
});

Deno.test("dial() shows the certificate that the manager presented", async () => {
  await using listening = await TestServer.start({
    ...manager,
    rootsPem: authority.pem,
  });
  for (const credentials of [client, anonymous]) {
    const connection = await dialer
      .dial(listening.endpoint, credentials, never);
    assertEquals(connection.facts.presented, [manager.der]);
    assertEquals(connection.facts.remote, listening.endpoint);
    connection.destroy();
  }
});

Deno.test("dialUnverified() shows the chain and the root of anybody", async () => {
  const strange = await newLeaf(other, {
    role: "worker",
    until: -1_000,
    from: -DAY,
  });
  await using listening = await TestServer.start({
    ...strange,
    rootsPem: other.pem,
  });
  const connection = await dialer.dialUnverified(listening.endpoint, never);
  assertEquals(connection.facts.presented, [
    strange.der,
    other.certificate.der,
  ]);
  assertEquals(connection.facts.tlsVersion, "TLSv1.3");
  const far = await listening.accepted();
  assertEquals(far.facts.presented, []);
  connection.destroy();
});

for (const host of ["127.0.0.1", "::1", "localhost"]) {
  Deno.test(`dial() reaches ${host}`, async () => {
    const listen = { host: host === "::1" ? "::1" : "127.0.0.1", port: 0 };
    await using listening = await TestServer.start(
      await serverCredentials(authority),
      { listen },
    );
    const near = await dialer
      .dial({ host, port: listening.port }, client, never);
    const far = await listening.accepted();
    const theirs = record(far);
    record(near);
    near.send(utf8("hello"));
    await theirs.received(1);
    assertEquals(near.facts.remote.host, listen.host);
    assertEquals(far.facts.remote.host, listen.host);
    near.destroy();
    await theirs.ended;
  });
}
