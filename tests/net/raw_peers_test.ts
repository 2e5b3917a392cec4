import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { hasCode } from "../../lib/base/errors.ts";
import { encodeFrame } from "../../lib/rpc/frame.ts";
import type { Connection } from "../../lib/rpc/connection.ts";
import { openVerified } from "../../lib/net/runtime_tls.ts";
import { record } from "../contracts/connection_contract.ts";
import {
  clientCredentials,
  newAuthority,
  serverCredentials,
} from "./certificates.ts";
import { dialer, never, TestServer } from "./harness.ts";

const authority = await newAuthority();
const server = await serverCredentials(authority);
const client = await clientCredentials(authority);

/** A connection under test, and the bare socket at its other end. */
interface RawPair {
  readonly connection: Connection;
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the TCP connection without a word of TLS. */
  cut(): void;
  close(): Promise<void>;
}

async function serverPair(): Promise<RawPair> {
  const listening = await TestServer.start(server);
  const raw = await openVerified({
    endpoint: listening.endpoint,
    credentials: client,
    serverName: "swarm-manager",
    alpn: "swarmd/1",
  });
  await raw.handshake();
  const connection = await listening.accepted();
  return rawPair({
    connection,
    raw,
    stop: () => listening.listener.close(),
  });
}

// A paused socket of node:tls goes on to read: it would not do as a peer.
async function clientPair(): Promise<RawPair> {
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: server.chainPem,
    key: server.keyPem,
    alpnProtocols: ["swarmd/1"],
  });
  const { port } = listener.addr as Deno.NetAddr;
  const accepting = listener.accept().then(async (raw) => {
    await raw.handshake();
    return raw;
  });
  const connection = await dialer
    .dial({ host: "127.0.0.1", port }, client, never);
  const stop = () => Promise.resolve(listener.close());
  return rawPair({ connection, raw: await accepting, stop });
}

function rawPair({ connection, raw, stop }: {
  connection: Connection;
  raw: Deno.TlsConn;
  stop: () => Promise<void>;
}): RawPair {
  let open = true;
  const cut = () => {
    if (open) raw.close();
    open = false;
  };
  return {
    connection,
    write: async (bytes) => {
      for (let at = 0; at < bytes.length;) {
        at += await raw.write(bytes.subarray(at));
      }
    },
    cut,
    close: () => {
      cut();
      return stop();
    },
  };
}

const KINDS = { "server's": serverPair, "client's": clientPair };

function test(
  name: string,
  run: (pair: RawPair) => Promise<void>,
): void {
  for (const [kind, open] of Object.entries(KINDS)) {
    Deno.test(`the ${kind} connection ${name}`, async () => {
      const pair = await open();
      try {
        await run(pair);
      } finally {
        pair.connection.destroy();
        await pair.close();
      }
    });
  }
}

test("takes a frame that comes byte by byte", async ({ connection, write }) => {
  const ours = record(connection);
  for (const byte of encodeFrame(utf8("slow"))) {
    await write(Uint8Array.of(byte));
  }
  await ours.received(1);
  assertEquals(ours.messages, [utf8("slow")]);
});

test("refuses a length that lies", async ({ connection, write }) => {
  const ours = record(connection);
  await write(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3));
  assert(hasCode(await ours.ended, "bad-frame"));
});

test("refuses an empty frame", async ({ connection, write }) => {
  const ours = record(connection);
  await write(Uint8Array.of(0, 0, 0, 0));
  assert(hasCode(await ours.ended, "bad-frame"));
});

test("ends when the peer is cut off in a frame", async ({ connection, write, cut }) => {
  const ours = record(connection);
  await write(Uint8Array.of(0, 0, 1, 0, 1, 2, 3));
  cut();
  await ours.ended;
  assertEquals(ours.messages, []);
});

test("is destroyed when the peer does not read", async ({ connection }) => {
  const ours = record(connection);
  const frame = new Uint8Array(64 * 1024);
  let highest = 0;
  for (let sent = 0; sent < 64 * 1024 * 1024; sent += frame.length) {
    connection.send(frame);
    highest = Math.max(highest, connection.queuedBytes);
    if (connection.queuedBytes > 512 * 1024) {
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  const error = await ours.ended;
  assert(hasCode(error, "too-busy"), String(error));
  assertStringIncludes(String(error), "it does not read");
  assert(highest > 1024 * 1024 && highest < 3 * 1024 * 1024, `${highest}`);
  assertEquals(connection.queuedBytes, 0);
});

test("is closed within a second though the peer does not answer", async ({ connection }) => {
  const ours = record(connection);
  for (let i = 0; i < 16; i++) connection.send(new Uint8Array(60_000));
  const start = performance.now();
  connection.close();
  await ours.ended;
  const took = performance.now() - start;
  assert(took < 1_500, `${took} ms`);
});

Deno.test("the server's connection refuses 128 KiB before start()", async () => {
  const { connection, write, close } = await serverPair();
  const frame = encodeFrame(new Uint8Array(60_000));
  await assertRejects(async () => {
    for (let i = 0; i < 10_000; i++) await write(frame);
  });
  const error = await record(connection).ended;
  assert(hasCode(error, "bad-frame"), String(error));
  await close();
});
