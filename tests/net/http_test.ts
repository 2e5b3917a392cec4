import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { SECOND } from "../../lib/base/time.ts";
import type { HttpHandler, HttpRequest } from "../../lib/net/http.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { newAuthority, newLeaf, serverCredentials } from "./certificates.ts";
import { TestServer } from "./harness.ts";

const authority = await newAuthority();
const server = await serverCredentials(authority);
const folder = await OpensslFolder.create();
await folder.write("root.pem", authority.pem);
Deno.test.afterAll(() => folder[Symbol.asyncDispose]());

/** Runs the real curl against a manager's name. */
async function curl(port: number, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("curl", {
    args: [
      ...["--silent", "--show-error", "--include", "--max-time", "20"],
      ...["--cacert", "root.pem", "--noproxy", "*"],
      ...["--connect-to", `::127.0.0.1:${port}`],
      ...args,
    ],
    cwd: folder.path,
  }).output();
  const decoder = new TextDecoder();
  return decoder.decode(stdout) + decoder.decode(stderr);
}

/** Answers with what it was asked. */
function mirror(requests: HttpRequest[]): HttpHandler {
  return (request) => {
    requests.push(request);
    return Promise.resolve({
      status: 201,
      headers: { "x-answer": "yes" },
      body: `number ${requests.length}`,
    });
  };
}

Deno.test("HTTP serves two URLs on one connection", async () => {
  const requests: HttpRequest[] = [];
  await using listening = await TestServer.start(server, {
    http: mirror(requests),
  });
  const url = "https://swarm-manager";
  const output = await curl(listening.port, `${url}/a?x=1&x=2`, `${url}/b`);
  assertStringIncludes(output, "HTTP/1.1 201");
  assertStringIncludes(output.toLowerCase(), "x-answer: yes");
  assertStringIncludes(output, "number 1");
  assertStringIncludes(output, "number 2");
  assertEquals(listening.outcomes, ["http"]);
  assertEquals(requests.map(({ path }) => path), ["/a", "/b"]);
  assertEquals(requests[0]?.query.getAll("x"), ["1", "2"]);
  assertEquals(requests[0]?.facts?.presented, []);
  assertEquals(requests[0]?.facts?.remote.host, "127.0.0.1");
});

Deno.test("HTTP tells method, headers, body and certificate", async () => {
  const requests: HttpRequest[] = [];
  await using listening = await TestServer.start(server, {
    http: mirror(requests),
  });
  const operator = await newLeaf(authority);
  await folder.write("own.crt", operator.chainPem);
  await folder.write("own.key", operator.keyPem);
  for (const version of ["1.2", "1.3"]) {
    await curl(
      listening.port,
      ...["--cert", "own.crt", "--key", "own.key", "--tls-max", version],
      ...["-X", "PUT", "-H", "X-Two: 1", "-H", "X-Two: 2"],
      ...["--data-binary", "ü", "https://swarm-manager/%2e%2e/p%20q/../r"],
    );
  }
  assertEquals(requests.length, 2);
  for (
    const [i, { method, path, headers, body, facts }] of requests.entries()
  ) {
    assertEquals([method, path], ["PUT", "/r"]);
    assertEquals(headers["x-two"], "1, 2");
    assertEquals(body, utf8("ü"));
    // curl adds the root that it was given
    assertEquals(facts?.presented[0], operator.der);
    assertEquals(facts?.tlsVersion, i === 0 ? "TLSv1.2" : "TLSv1.3");
  }
});

Deno.test("HTTP refuses a long body and goes on", async () => {
  const requests: HttpRequest[] = [];
  await using listening = await TestServer.start(server, {
    http: mirror(requests),
  });
  await folder.write("fits", "x".repeat(64 * 1024));
  await folder.write("long", "x".repeat(64 * 1024 + 1));
  await folder.write("huge", "x".repeat(4 * 1024 * 1024));
  const post = (name: string) =>
    curl(
      listening.port,
      ...["-H", "Expect:", "--data-binary", `@${name}`],
      "https://swarm-manager/",
    );
  assertStringIncludes(await post("fits"), "HTTP/1.1 201");
  assertStringIncludes(await post("long"), "HTTP/1.1 413");
  await post("huge");
  assertStringIncludes(await post("fits"), "HTTP/1.1 201");
  assertEquals(requests.map(({ body }) => body.length), [65_536, 65_536]);
});

Deno.test("HTTP answers HEAD without a body, and a fault with 500", async () => {
  await using listening = await TestServer.start(server, {
    http: ({ path, method }) =>
      path === "/fault"
        ? Promise.reject(new Error("the reason"))
        : Promise.resolve({
          status: 200,
          body: method === "GET" ? "text" : "",
        }),
  });
  const head = await curl(listening.port, "--head", "https://swarm-manager/");
  assertStringIncludes(head.toLowerCase(), "content-length: 4");
  assert(!head.includes("text"));
  const fault = await curl(listening.port, "https://swarm-manager/fault");
  assertStringIncludes(fault, "HTTP/1.1 500");
  assert(!fault.includes("the reason"), fault);
  assertStringIncludes(listening.log.text, "the reason");
});

Deno.test("HTTP without a handler says 404", async () => {
  await using listening = await TestServer.start(server);
  const answer = await curl(listening.port, "https://swarm-manager/");
  assertStringIncludes(answer, "HTTP/1.1 404");
});

for (
  const [name, text] of Object.entries({
    "nothing": "",
    "half a head": "POST / HTTP/1.1\r\nhost: x\r\n",
    "half a body": "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc",
  })
) {
  Deno.test(`HTTP ends a client that sends ${name} and waits`, async () => {
    await using listening = await TestServer.start(server, {
      http: mirror([]),
      requestMs: 500,
    });
    const client = await Deno.connectTls({
      hostname: "127.0.0.1",
      port: listening.port,
      caCerts: [authority.pem],
      alpnProtocols: ["http/1.1"],
      unsafelyDisableHostnameVerification: true,
    });
    if (text !== "") await client.write(utf8(text));
    else await client.handshake();
    const start = performance.now();
    const answer = new Uint8Array(1_000);
    for (;;) {
      const length = await client.read(answer).catch(() => null);
      if (length === null) break;
    }
    client.close();
    const took = performance.now() - start;
    assert(took < 4 * SECOND, `${took} ms`);
  });
}

for (
  const target of ["https://evil.example/x", "*", "//evil.example/x", "/\\evil"]
) {
  Deno.test(`HTTP does not let target ${target} name a host`, async () => {
    const requests: HttpRequest[] = [];
    await using listening = await TestServer.start(server, {
      http: mirror(requests),
    });
    const answer = await curl(
      listening.port,
      ...["--request-target", target, "https://swarm-manager/"],
    );
    for (const { path } of requests) assert(path.startsWith("/"), path);
    assert(requests.length === 1 || answer.includes("HTTP/1.1 400"), answer);
  });
}
