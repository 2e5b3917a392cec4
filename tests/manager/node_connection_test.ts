import { assert, assertEquals, assertFalse } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { encodeBase36 } from "../../lib/base/base36.ts";
import { toBase64 } from "../../lib/base/bytes.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { parseJoinToken } from "../../lib/pki/join_token.ts";
import { encodeMessage, type WireMessage } from "../../lib/rpc/message.ts";
import { turn } from "../fakes/clock.ts";
import { type Caller, codeOf, newSession } from "./caller.ts";
import { DESCRIPTION, House } from "./house.ts";

/** Everything of a refused peer is over, with a reason. */
async function assertCut(
  house: House,
  [caller, reason]: readonly [Caller, string],
): Promise<void> {
  assertEquals(caller.reason, reason);
  await house.clock.advance(50);
  assert(caller.closed);
}

async function joinParams(house: House) {
  const key = await house.crypto.generateKey();
  const { secret } = parseJoinToken(await house.tokens.show("worker"));
  return {
    secret: encodeBase36(secret),
    csr: toBase64(await createCsr(house.crypto, key)),
    description: DESCRIPTION,
  };
}

Deno.test("NodeConnection gives 2 s for hello", async () => {
  const house = await House.open();
  const caller = house.connect();
  await house.clock.advance(1_999);
  assertFalse(caller.closed);
  assertEquals(caller.received, []);
  await house.clock.advance(1);
  await assertCut(house, [caller, "timed-out"]);
});

Deno.test("NodeConnection is not kept by hello that never ends", async () => {
  // Half a frame is no message.
  const house = await House.open();
  const caller = house.connect();
  const bytes = encodeMessage({ id: 1, method: "hello", params: {} });
  caller.pipe.near.push(bytes.slice(0, 3));
  await house.clock.advance(2_000);
  await assertCut(house, [caller, "timed-out"]);
});

Deno.test("NodeConnection refuses everything before hello", async () => {
  const house = await House.open();
  const firsts: readonly WireMessage[] = [
    { id: 1, method: "join", params: await joinParams(house) },
    { id: 1, method: "ca.root", params: {} },
    { id: 1, method: "unheard-of" },
    { method: "hello", params: {} },
    { method: "heartbeat", params: { now: 1 } },
    { id: 1, result: {} },
    { method: "ack", params: { seen: 0 } },
  ];
  for (const first of firsts) {
    const caller = house.connect();
    caller.send(first);
    await turn();
    await assertCut(house, [caller, "bad-message"]);
  }
  assertEquals(house.nodes.length, 1);
});

Deno.test("NodeConnection refuses what is no message", async () => {
  const house = await House.open();
  for (const text of ["", "{", "[]", '"x"', '{"jsonrpc":"2.0"}', "\0"]) {
    const caller = house.connect();
    caller.pipe.far.send(utf8(text === "" ? " " : text));
    await turn();
    await assertCut(house, [caller, "bad-message"]);
  }
});

Deno.test("NodeConnection says hello to anybody, once", async () => {
  const house = await House.open();
  const caller = house.connect();
  const hello = await caller.hello();
  assert(hello && "result" in hello);
  assertEquals(hello.result, {
    protocol: 1,
    version: "1",
    features: [],
    now: house.clock.now(),
    cluster: house.cluster.id,
    manager: house.manager.id,
    heartbeatMs: 5_000,
    managers: [],
  });
  assertEquals(codeOf(await caller.hello()), "bad-message");
  await assertCut(house, [caller, "bad-message"]);
});

Deno.test("NodeConnection refuses a second hello beside the first", async () => {
  const house = await House.open();
  const { id, chain } = await house.addSeenNode();
  const caller = house.connect(chain);
  const params = { protocols: [1], version: "1", features: [] };
  caller.send({ id: 1, method: "hello", params });
  caller.send({ id: 2, method: "hello", params });
  await turn();
  await assertCut(house, [caller, "bad-message"]);
  assertEquals(house.desk.sessions.of(id), undefined);
});

Deno.test("NodeConnection agrees on a protocol, or says which it speaks", async () => {
  const house = await House.open();
  const cases = [
    [[1], undefined],
    [[3, 2, 1], undefined],
    [[2], "protocol-version"],
    [[0], "protocol-version"],
  ] as const;
  for (const [protocols, code] of cases) {
    const caller = house.connect();
    const answer = await caller.hello(undefined, { protocols });
    assertEquals(codeOf(answer), code);
    if (code) await assertCut(house, [caller, code]);
  }
});

Deno.test("NodeConnection serves an anonymous peer one call", async () => {
  const house = await House.open();
  const caller = house.connect();
  await caller.hello();
  const params = await joinParams(house);
  const answer = await caller.get("join", params);
  assertEquals(house.nodes.length, 2);
  assertEquals(answer["cluster"], house.cluster.id);
  assertEquals(await caller.ask("join", await joinParams(house)), undefined);
  assertEquals(house.nodes.length, 2);
  assert(caller.closed);
});

Deno.test("NodeConnection does not begin a second call beside the first", async () => {
  const house = await House.open();
  const caller = house.connect();
  await caller.hello();
  for (let i = 10; i < 20; i++) {
    const params = await joinParams(house);
    caller.send({ id: i, method: "join", params });
  }
  await turn();
  assert(house.nodes.length <= 2);
  await assertCut(house, [caller, "bad-message"]);
});

Deno.test("NodeConnection waits 15 s for the call", async () => {
  const house = await House.open();
  const caller = house.connect();
  await caller.hello();
  await house.clock.advance(14_999);
  assertFalse(caller.closed);
  await house.clock.advance(1);
  await assertCut(house, [caller, "timed-out"]);
});

Deno.test("NodeConnection gives anonymous peers no more than the table says", async () => {
  const house = await House.open();
  const cases = [
    ["node.renew", { csr: "AAAA" }, "anonymous"],
    ["node.register", {}, "anonymous"],
    ["heartbeat", { now: 1 }, "anonymous"],
    ["drill.number", {}, "anonymous"],
    ["recover", {}, "anonymous"],
    ["recovers", {}, "unknown-method"],
    ["ca.succession", { digests: [] }, "bad-message"],
    ["__proto__", {}, "bad-message"],
    ["ca.root", { digest: "x" }, "bad-message"],
    ["ca.root", { digest: `sha256:${"0".repeat(64)}` }, "root-mismatch"],
    ["join", {}, "bad-message"],
    ["join", { ...await joinParams(house), csr: "AAAA" }, "csr-refused"],
    ["join", { ...await joinParams(house), csr: "%" }, "bad-message"],
    [
      "join",
      { ...await joinParams(house), secret: "0".repeat(25) },
      "token-refused",
    ],
  ] as const;
  for (const [method, params, code] of cases) {
    const caller = house.connect();
    await caller.hello();
    if (method === "__proto__") {
      const text = `{"jsonrpc":"2.0","id":9,"method":"__proto__"}`;
      caller.pipe.far.send(utf8(text));
      await turn();
    } else {
      const refused = await caller.refusal(method, params);
      assertEquals(refused, code, method);
    }
    await assertCut(house, [caller, code]);
  }
  assertEquals(house.nodes.length, 1);
});

Deno.test("NodeConnection checks the token before the request", async () => {
  const house = await House.open();
  const caller = house.connect();
  await caller.hello();
  const both = {
    ...await joinParams(house),
    secret: "0".repeat(25),
    csr: "AAAA",
  };
  assertEquals(await caller.refusal("join", both), "token-refused");
});

Deno.test("NodeConnection gives no session to who is no node", async () => {
  const house = await House.open();
  const caller = house.connect();
  const hello = await caller.hello(newSession(house.newId()));
  assert(hello && "result" in hello);
  assertEquals(Object.hasOwn(hello.result as object, "session"), false);
  assertEquals(house.desk.sessions.size, 0);
  assertEquals(
    await caller.refusalInSession("node.renew", { csr: "AAAA" }),
    "anonymous",
  );
});

Deno.test("NodeConnection cuts a refused peer that never reads within 50 ms", async () => {
  const house = await House.open();
  const { id, chain } = await house.addSeenNode();
  const caller = house.connect(chain);
  await caller.hello(newSession(house.newId()));
  caller.pipe.far.reading = false;
  await house.change(id, { admission: "suspended" });
  const { near, far } = caller.pipe;
  // The reason was written at once, behind everything that waits.
  const last = near.sent.at(-1);
  assert(last && "method" in last && last.method === "close");
  assertFalse(near.destroyed);
  await house.clock.advance(49);
  assertFalse(near.destroyed);
  await house.clock.advance(1);
  assert(near.destroyed);
  far.destroy();
});

Deno.test("NodeConnection tells a peer nothing of its own mistakes", async () => {
  const house = await House.open();
  house.signer = {
    ...house.signer,
    issue: () => Promise.reject(new TypeError("/secret/path is a mistake")),
  };
  const caller = house.connect();
  await caller.hello();
  const code = await caller.refusal("join", await joinParams(house));
  assertEquals(code, "internal");
  await assertCut(house, [caller, "internal"]);
  assertFalse(JSON.stringify(caller.received).includes("/secret/path"));
  // The log has it.
  assert(JSON.stringify(house.logged).includes("/secret/path"));
});

// W24: a manager proves itself for the certificate of this connection.
Deno.test("NodeConnection proves a token for the certificate of this very connection", async () => {
  const house = await House.open();
  const before = house.serving.certificate.fingerprint;
  const nonce = house.random.bytes(32);
  const token = house.cluster.tokens.worker.id;
  const caller = house.connect();
  // The handshake is over; then the manager renews its own certificate.
  await house.clock.advance(1_000);
  await house.renewOwn();
  const hello = await caller.hello(undefined, {
    prove: { token, nonce: toBase64(nonce) },
  });
  const proof = await house.tokens.prove(token, {
    nonce,
    leafFingerprint: before,
  });
  assert(hello && "result" in hello && proof);
  const { proof: given } = hello.result as Record<string, unknown>;
  assertEquals(given, toBase64(proof));
});

Deno.test("NodeConnection proves nothing of a token that it does not know", async () => {
  const house = await House.open();
  const caller = house.connect();
  const prove = { token: house.newId(), nonce: "A".repeat(43) + "=" };
  const hello = await caller.hello(undefined, { prove });
  assert(hello && "result" in hello);
  assertFalse(Object.hasOwn(hello.result as object, "proof"));
});

Deno.test("NodeConnection that ended while it was judged leaves nothing", async () => {
  const house = await House.open();
  const { id, chain } = await house.addSeenNode();
  for (const end of ["cut", "destroyed"] as const) {
    const caller = house.connect(chain);
    const session = newSession(house.newId());
    const params = { protocols: [1], version: "1", features: [], session };
    caller.send({ id: 1, method: "hello", params });
    // The hello is read, and its certificates are being looked at.
    for (let i = 0; i < 4; i++) await Promise.resolve();
    if (end === "cut") caller.pipe.cut();
    else caller.pipe.far.destroy();
    await turn();
    assertEquals(house.desk.sessions.of(id), undefined, end);
  }
});
