import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { fromUtf8, utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { newId } from "../../lib/base/random.ts";
import { DAY, SECOND } from "../../lib/base/time.ts";
import { type HttpPost, postJson } from "../../lib/net/http_post.ts";
import { makeTrustStorePrivate } from "../../lib/net/private_trust.ts";
import {
  systemClock,
  systemCrypto,
  systemRandom,
} from "../../lib/net/system.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { issueLeaf, newSerial } from "../../lib/pki/profile.ts";
import { FakeClock } from "../fakes/clock.ts";
import { RawServer } from "../signer/servers.ts";
import { type Authority, newAuthority, newLeaf } from "./certificates.ts";

makeTrustStorePrivate();

const authority = await newAuthority();
const other = await newAuthority();

/** A certificate for `127.0.0.1`. */
async function newServerPair(of: Authority, change: { until?: number } = {}) {
  const key = await systemCrypto.generateKey();
  const now = Math.floor(Date.now() / SECOND) * SECOND;
  const der = await issueLeaf(systemCrypto, {
    issuer: of.certificate,
    issuerKey: of.key.privateKey,
    profile: {
      clusterId: of.clusterId,
      nodeId: newId(systemRandom),
      role: "manager",
      spki: key.spki,
      serial: newSerial(systemRandom),
      notBefore: now - DAY / 2,
      notAfter: now + (change.until ?? DAY),
      dnsNames: [],
      ipAddresses: ["127.0.0.1"],
    },
  });
  const pkcs8 = await systemCrypto.exportPkcs8(key.privateKey);
  return {
    cert: encodePem("CERTIFICATE", der),
    key: encodePem("PRIVATE KEY", pkcs8),
  };
}

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly client: string;
}

/** An HTTPS server that answers with so many bytes, in chunks. */
class TestServer implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #server: Server;

  constructor(pair: { cert: string; key: string }, length: number) {
    const options = { ...pair, requestCert: true, rejectUnauthorized: false };
    this.#server = createServer(options, async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      const socket = request.socket as unknown as {
        getPeerCertificate(): { subject?: { CN?: string } };
      };
      this.seen.push({
        method: request.method ?? "",
        path: request.url ?? "",
        headers: { ...request.headers },
        body,
        client: socket.getPeerCertificate().subject?.CN ?? "",
      });
      response.write("x".repeat(length / 2));
      response.end("y".repeat(length / 2));
    });
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  static async start(
    pair: { cert: string; key: string },
    length = 10_000,
  ): Promise<TestServer> {
    const server = new TestServer(pair, length);
    await new Promise<void>((done) =>
      server.#server.listen(0, "127.0.0.1", done)
    );
    return server;
  }

  get url(): URL {
    const { port } = this.#server.address() as AddressInfo;
    return new URL(`https://127.0.0.1:${port}/api/sign?a=b`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((done) => this.#server.close(() => done()));
  }
}

function post(url: URL, change: Partial<HttpPost> = {}): HttpPost {
  return {
    url,
    body: utf8('{"ü":1}'),
    timeoutMs: 5 * SECOND,
    maxBytes: 64 * 1024,
    credentials: { rootsPem: authority.pem },
    ...change,
  };
}

Deno.test("postJson() posts to a server of the given root, and reads what comes in chunks", async () => {
  await using server = await TestServer.start(await newServerPair(authority));
  const { status, body } = await postJson(systemClock, post(server.url));
  assertEquals(status, 200);
  assertEquals(fromUtf8(body), "x".repeat(5_000) + "y".repeat(5_000));
  const [seen] = server.seen;
  assertEquals(
    [seen?.method, seen?.path, seen?.body, seen?.client],
    ["POST", "/api/sign?a=b", '{"ü":1}', ""],
  );
  assertEquals(seen?.headers["host"], server.url.host);
  assertEquals(seen?.headers["content-type"], "application/json");
});

Deno.test("postJson() shows the client certificate that it is given", async () => {
  await using server = await TestServer.start(await newServerPair(authority));
  const identity = await newLeaf(authority, { role: "worker" });
  await postJson(
    systemClock,
    post(server.url, { credentials: { rootsPem: authority.pem, identity } }),
  );
  const [seen] = server.seen;
  assertEquals(seen?.client.length, 25);
});

Deno.test("postJson() refuses servers of other roots, of other names, and out of date", async () => {
  const expired = await newServerPair(authority, { until: -SECOND });
  const cases = [
    [await newServerPair(other), "tls", "its certificate is refused: "],
    [expired, "clock-skew", "xpired"],
  ] as const;
  for (const [pair, code, says] of cases) {
    await using server = await TestServer.start(pair);
    const error = await assertRejects(
      () => postJson(systemClock, post(server.url)),
      SwarmdError,
    );
    assertEquals(error.code, code);
    assertStringIncludes(error.message, says);
    assertEquals(server.seen, []);
  }
  const nameless = await newLeaf(authority);
  await using server = await TestServer.start({
    cert: nameless.chainPem,
    key: nameless.keyPem,
  });
  const error = await assertRejects(
    () => postJson(systemClock, post(server.url)),
    SwarmdError,
  );
  assertEquals(error.code, "tls");
});

Deno.test("postJson() reads no more than it may", async () => {
  const pair = await newServerPair(authority);
  await using server = await TestServer.start(pair, 200_000);
  const error = await assertRejects(
    () => postJson(systemClock, post(server.url)),
    SwarmdError,
  );
  assertEquals(error.code, "answer-refused");
  assertStringIncludes(error.message, "found an answer above 65536 bytes");
});

Deno.test("postJson() gives up when its time is over, wherever it is", async () => {
  const url = (server: RawServer, scheme: string) =>
    new URL(server.url.replace("http:", scheme));
  for (const scheme of ["http:", "https:"]) {
    const arrived = Promise.withResolvers<void>();
    await using server = new RawServer(async (connection) => {
      arrived.resolve();
      await connection.read(new Uint8Array(1));
    });
    const clock = new FakeClock();
    const asking = postJson(clock, post(url(server, scheme)));
    asking.catch(() => {}); // awaited below
    await arrived.promise;
    await clock.advance(5 * SECOND);
    const error = await assertRejects(() => asking, SwarmdError);
    assertEquals(error.code, "timed-out");
    assertStringIncludes(error.message, "no answer in 5000 ms");
    assertEquals(clock.pending, 0);
  }
});

Deno.test("postJson() takes an end without a close_notify for one, if nothing is missing", async () => {
  const pair = await newServerPair(authority);
  const whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
  for (const text of [whole, whole.slice(0, -1)]) {
    const server = createTlsServer(pair, (socket) => {
      // `destroy` sends none
      socket.once("data", () => socket.write(text, () => socket.destroy()));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const url = new URL(`https://127.0.0.1:${port}/`);
    const asking = postJson(systemClock, post(url));
    if (text === whole) assertEquals((await asking).body, utf8("{}"));
    else await assertRejects(() => asking, SwarmdError, "not as long");
    await new Promise<void>((done) => server.close(() => done()));
  }
});

Deno.test("postJson() knows http and https only", async () => {
  const error = await postJson(systemClock, post(new URL("ftp://127.0.0.1/")))
    .catch((each: unknown) => each);
  assertInstanceOf(error, TypeError);
  assertThrows(
    () => {
      throw error;
    },
    TypeError,
    '"ftp:"',
  );
});
