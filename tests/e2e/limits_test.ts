import { assert, assertEquals, assertMatch } from "@std/assert";
import { within } from "./harness.ts";
import { frameOf, frameOfBytes, newSession, RawPeer } from "./raw_peer.ts";
import { dialDeno } from "./raw_tls.ts";
import { refusedAs, says, Stage } from "./stage.ts";

const KB = 1_024;
const MB = 1_024 * KB;

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function call(params: string): Uint8Array {
  return frameOfBytes(
    bytes(`{"jsonrpc":"2.0","id":7,"method":"hello","params":${params}}`),
  );
}

const GREETING = '"protocols":[1],"version":"0","features":[]';
const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

/** What is sent in place of a `hello`, and what the refusal is called. */
const BEFORE_HELLO: readonly (readonly [
  what: string,
  sent: Uint8Array,
  code: string,
])[] = [
  [
    "an unknown protocol",
    call('{"protocols":[99],"version":"0","features":[]}'),
    "protocol-version",
  ],
  ["a length of 4 GiB", frameOfBytes(bytes("{}"), 0xffff_ffff), "bad-frame"],
  ["a length of zero", frameOfBytes(new Uint8Array(), 0), "bad-frame"],
  ["64 KiB and a byte", frameOfBytes(new Uint8Array(64 * KB + 1)), "bad-frame"],
  ["a length of 2 GiB", frameOfBytes(bytes("x"), 0x8000_0000), "bad-frame"],
  ["10,000 brackets", call(deep(10_000)), "bad-message"],
  ["17 brackets", call(`{"a":${deep(16)}}`), "bad-message"],
  ["no JSON", frameOfBytes(bytes("hello")), "bad-message"],
  ["half JSON", frameOfBytes(bytes('{"jsonrpc"')), "bad-message"],
  ["no UTF-8", frameOfBytes(Uint8Array.of(0xff, 0xfe)), "bad-message"],
  ["a batch", frameOf([{ jsonrpc: "2.0", id: 1 }]), "bad-message"],
  ["a number", frameOf(7), "bad-message"],
  ["null", frameOf(null), "bad-message"],
  ["JSON-RPC 1.0", frameOf({ id: 1, method: "hello" }), "bad-message"],
  ["__proto__", call('{"__proto__":{}}'), "bad-message"],
  ["escaped __proto__", call('{"\\u005f_proto__":1}'), "bad-message"],
  ["parameters in a list", call("[1]"), "bad-message"],
  ["no parameters", call("null"), "bad-message"],
  ["a text for a list", call(`{${GREETING},"protocols":"1"}`), "bad-message"],
  [
    "a thousand versions",
    call(`{${GREETING},"protocols":[${"1,".repeat(1_000)}1]}`),
    "bad-message",
  ],
  [
    "a negative count",
    call(
      `{${GREETING},"session":{"id":"${
        "0".repeat(25)
      }","lastSeen":-1,"resume":true,"instance":"${"0".repeat(25)}"}}`,
    ),
    "bad-message",
  ],
  [
    "a long text",
    call(`{${GREETING},"version":"${"x".repeat(300)}"}`),
    "bad-message",
  ],
  ["an answer", frameOf({ jsonrpc: "2.0", id: 1, result: 1 }), "bad-message"],
  [
    "another method",
    frameOf({ jsonrpc: "2.0", id: 1, method: "join", params: {} }),
    "bad-message",
  ],
];

Deno.test("bad input before hello ends its connection with a reason, and troubles nobody else", async () => {
  await using stage = await Stage.set({ init: ["--log-level=debug"] });
  const worker = await stage.cluster.connectedWorker("bystander");
  const ca = await stage.root();
  for (const [what, sent, code] of BEFORE_HELLO) {
    await using peer = new RawPeer(await dialDeno({ port: stage.port, ca }));
    await peer.sendBytes(sent);
    await peer.ended({ timeoutMs: 5_000 });
    assertMatch(peer.received, new RegExp(`"close".*"${code}"`), what);
    // What was wrong, never what it said
    assert(!peer.received.includes("xxxx"), what);
  }
  // The log holds some of each; strangers do not fill it.
  const { manager } = stage.cluster;
  await manager.waitForLog(refusedAs("protocol-version"));
  await manager.waitForLog(refusedAs("bad-message"));
  await manager.waitForLog(refusedAs("bad-frame"));
  assertEquals(worker.events.length, 2);
  assertEquals((await stage.cluster.nodes()).length, 2);
});

/** What is sent in a session, and what the answer or the end is called. */
const IN_SESSION: readonly (readonly [
  what: string,
  sent: Uint8Array,
  wanted: RegExp,
])[] = [
  ["1 MiB and a byte", frameOfBytes(new Uint8Array(MB + 1)), /^$|bad-frame/],
  ["a length of 4 GiB", frameOfBytes(bytes("{}"), 0xffff_ffff), /^$|bad-frame/],
  ["no JSON", frameOfBytes(bytes("x".repeat(500_000))), /bad-message/],
  [
    "a deep message",
    frameOfBytes(
      bytes(
        `{"jsonrpc":"2.0","id":1,"n":1,"method":"x","params":${deep(5_000)}}`,
      ),
    ),
    /bad-message/,
  ],
  [
    "a message that skips numbers",
    frameOf({ jsonrpc: "2.0", id: 1, n: 9, method: "node.register" }),
    /bad-message|gap|session/,
  ],
  [
    "a session message without a number",
    frameOf({ jsonrpc: "2.0", id: 1, method: "node.renew", params: {} }),
    /bad-message|session-ended/,
  ],
  [
    "a second hello",
    frameOf({ jsonrpc: "2.0", id: 1, method: "hello", params: {} }),
    /bad-message|session-ended/,
  ],
  [
    "an acknowledgement of what was never sent",
    frameOf({ jsonrpc: "2.0", method: "ack", params: { seen: 1_000_000 } }),
    /bad-message|session/,
  ],
];

Deno.test("bad input in a session ends that connection, and the node can come back", async () => {
  await using stage = await Stage.set();
  await stage.victim();
  const pair = await stage.pairOf("victim");
  const ca = await stage.root();
  const open = async () => {
    const peer = new RawPeer(await dialDeno({ port: stage.port, ca, pair }));
    const hello = await peer.hello(newSession());
    assertEquals(hello.kind, "result");
    return peer;
  };
  for (const [what, sent, wanted] of IN_SESSION) {
    await using peer = await open();
    const before = peer.received.length;
    await peer.sendBytes(sent);
    await within(what, peer.ended({ timeoutMs: 5_000 }));
    assertMatch(peer.received.slice(before), wanted, what);
  }
  await using peer = await open();
  let n = 0;
  for (
    const [method, params, code] of [
      ["no.such", {}, "unknown-method"],
      ["constructor", {}, "unknown-method"],
      ["node.renew", { csr: 7 }, "bad-message"],
      ["node.renew", {}, "bad-message"],
      ["node.register", { hostname: {} }, "bad-message"],
    ] as const
  ) {
    // A question that is wrong is answered, and the session goes on.
    const answer = await peer.ask(method, params, { n: ++n });
    assert(answer.kind === "error", method);
    assertEquals(answer.code, code, method);
  }
  const big = { big: "x".repeat(MB - 200) };
  const answer = await peer.ask("no.such", big, { n: ++n });
  assert(answer.kind === "error");
  assertEquals(answer.code, "unknown-method");
});

/** How long a connection lives to which a byte is said now and then, in ms. */
async function drip(
  connection: Deno.Conn,
  { said, everyMs }: { readonly said: Uint8Array; readonly everyMs: number },
): Promise<number> {
  const started = performance.now();
  let at = 0;
  const timer = setInterval(() => {
    connection.write(said.subarray(at, at + 1)).catch(() => {});
    at++;
  }, everyMs);
  try {
    const buffer = new Uint8Array(4_096);
    while (await within("its end", connection.read(buffer)) !== null);
  } catch (error) {
    const { ConnectionReset, UnexpectedEof } = Deno.errors;
    const cut = error instanceof ConnectionReset;
    if (!cut && !(error instanceof UnexpectedEof)) throw error;
  } finally {
    clearInterval(timer);
  }
  return performance.now() - started;
}

Deno.test("a slow client is cut: 5 s for a handshake, 2 s for hello, 10 s for an HTTP request", async () => {
  await using stage = await Stage.set();
  const ca = await stage.root();
  const tls = (alpn: string) =>
    Deno.connectTls({
      hostname: "127.0.0.1",
      port: stage.port,
      caCerts: [ca],
      alpnProtocols: [alpn],
    });
  const hello = call(`{${GREETING}}`);
  const request = bytes(`GET /v1/ca HTTP/1.1\r\nHost: ${"x".repeat(99)}`);
  // The start of a record of a handshake (RFC 8446 §5.1)
  const record = Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0, 0, 0, 0);
  const lives = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: stage.port })
      .then(async (tcp) => {
        using connection = tcp;
        return await drip(connection, { said: record, everyMs: 1_000 });
      }),
    ...(["swarmd/1", "http/1.1"] as const).map(async (alpn) => {
      using connection = await tls(alpn);
      const said = alpn === "swarmd/1" ? hello : request;
      return await drip(connection, { said, everyMs: 500 });
    }),
  ]);
  for (const [i, [from, to]] of [[4, 8], [1.5, 5], [8, 14]].entries()) {
    const seconds = (lives[i] ?? NaN) / 1_000;
    assert(seconds > (from ?? 0) && seconds < (to ?? 0), `${i}: ${seconds} s`);
  }
  assert(stage.cluster.manager.log.some(says(/handshake failed/)));
});
