import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import * as z from "zod/mini";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  isMethod,
  isPush,
  type Method,
  METHODS,
  parseAs,
  PUSHES,
} from "../../lib/rpc/methods.ts";

const ID = "1".repeat(25);
const DIGEST = `sha256:${"ab".repeat(32)}`;
const NONCE = btoa("n".repeat(32));

const SOUND: Readonly<Record<Method, unknown>> = {
  "hello": { protocols: [1], version: "1", features: [] },
  "ca.root": { digest: DIGEST },
  "ca.succession": { digests: [DIGEST] },
  "recover": { csr: "AAAA" },
  "join": {
    secret: ID,
    csr: "AAAA",
    description: { hostname: "h", os: "o", arch: "a", version: "1" },
  },
  "heartbeat": { now: 1 },
  "node.register": {
    hostname: "h",
    os: "o",
    arch: "a",
    version: "1",
    issuer: "CN=x",
    trustRoot: DIGEST,
    now: 1,
  },
  "node.renew": { csr: "AAAA" },
  "node.rehearse": { rehearsal: ID, csr: "AAAA" },
  "node.rehearsed": { rehearsal: ID, problem: "x" },
  "node.leave": {},
  "audit.kept": {
    sequence: 1,
    hash: "ab".repeat(32),
    at: 1,
    manager: ID,
    certificate: "AAAA",
    signature: "AAAA",
  },
  "drill.number": {
    stream: ID,
    number: 1,
    read: {
      received: 0,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      longestGapMs: 0,
    },
  },
};

function parse(method: Method, change: Record<string, unknown> = {}): unknown {
  const value = { ...(SOUND[method] as Record<string, unknown>), ...change };
  return parseAs(METHODS[method].params, { value, what: method });
}

function assertBad(method: Method, change: Record<string, unknown>): void {
  const error = assertThrows(() => parse(method, change), SwarmdError);
  assertEquals(error.code, "bad-message");
  assertEquals(error.verdict, "stop");
  const [field = ""] = Object.keys(change);
  assert(error.message.includes(field), error.message);
}

Deno.test("isMethod() and isPush() know own names only", () => {
  for (const name of Object.keys(METHODS)) assert(isMethod(name), name);
  for (const name of Object.keys(PUSHES)) assert(isPush(name), name);
  for (const name of ["__proto__", "toString", "", "HELLO", "recovers"]) {
    assertFalse(isMethod(name), name);
    assertFalse(isPush(name), name);
  }
});

Deno.test("METHODS reads what each method is called with", () => {
  for (const method of Object.keys(METHODS) as Method[]) {
    assertEquals(parse(method), SOUND[method], method);
  }
});

Deno.test("METHODS answers what asks for something, and nothing else", () => {
  const told = Object.entries(METHODS).filter(([, row]) =>
    row.kind === "notification"
  );
  assertEquals(told.map(([name]) => name), [
    "heartbeat",
    "node.register",
    "node.rehearsed",
    "audit.kept",
    "drill.number",
  ]);
});

Deno.test("METHODS carries in a session what must not be lost, and nothing of hello", () => {
  for (const [name, row] of Object.entries(METHODS)) {
    const inSession = /^(?:node|audit|drill)\./.test(name);
    assertEquals(row.carriage, inSession ? "session" : "connection", name);
  }
  for (const [name, row] of Object.entries(PUSHES)) {
    const alone = ["heartbeat", "move", "close", "pending"].includes(name);
    assertEquals(row.carriage, alone ? "connection" : "session", name);
  }
});

Deno.test("parseAs() names the field that is wrong, and never its value", () => {
  const secret = "SWMTKN secret";
  const error = assertThrows(() => parse("join", { secret }), SwarmdError);
  assert(error.message.includes("secret"));
  assertFalse(error.message.includes(secret));
  const inner = { protocols: [1, -1], version: "1", features: [] };
  assertThrows(() => parse("hello", inner), SwarmdError, "protocols.1");
});

Deno.test("parseAs() takes missing parameters for none", () => {
  const empty = z.object({ a: z.optional(z.string()) });
  for (const value of [undefined, null]) {
    assertEquals(parseAs(empty, { value, what: "x" }), {});
  }
  const all = { value: undefined, what: "hello" };
  assertThrows(
    () => parseAs(METHODS.hello.params, all),
    SwarmdError,
    "protocols",
  );
});

Deno.test("METHODS bounds every text, list, number and byte string of a peer", () => {
  const long = "x".repeat(257);
  const huge = "A".repeat(16 * 1024);
  const cases: readonly [Method, Record<string, unknown>][] = [
    ["hello", { protocols: [] }],
    ["hello", { protocols: Array(17).fill(1) }],
    ["hello", { protocols: [1.5] }],
    ["hello", { version: long }],
    ["hello", { features: Array(33).fill("x") }],
    ["hello", { bundle: "sha256:x" }],
    ["hello", { session: { id: "x", lastSeen: 0, resume: true } }],
    ["hello", { session: session({ lastSeen: -1 }) }],
    ["hello", { session: session({ lastSeen: 2 ** 53 }) }],
    ["hello", { session: session({ instance: "" }) }],
    ["hello", { session: session({ id: `${ID}0` }) }],
    ["hello", { prove: { token: ID, nonce: "A".repeat(48) } }],
    ["hello", { prove: { token: "x", nonce: NONCE } }],
    ["ca.root", { digest: "AB".repeat(32) }],
    ["ca.succession", { digests: [] }],
    ["ca.succession", { digests: new Array(9).fill(DIGEST) }],
    ["recover", { csr: huge }],
    ["join", { secret: "0".repeat(24) }],
    ["join", { csr: huge }],
    ["join", { description: { hostname: long } }],
    ["heartbeat", { now: "1" }],
    ["heartbeat", { now: Infinity }],
    ["heartbeat", { now: NaN }],
    // What no Date can be throws where it is shown.
    ["heartbeat", { now: 8.64e15 + 1 }],
    ["audit.kept", { at: 1e300 }],
    ["node.register", { issuer: long }],
    ["node.register", { trustRoot: "x" }],
    ["node.renew", { csr: huge }],
    ["node.renew", { csr: 7 }],
    ["drill.number", { stream: "x" }],
    ["drill.number", { number: -1 }],
    ["drill.number", { read: {} }],
  ];
  for (const [method, change] of cases) assertBad(method, change);
});

Deno.test("METHODS refuses byte strings that are not canonical base64", () => {
  for (
    const csr of ["A", "AA", "AA=", "A===", "AB==", "AAB=", "A A=", "-_=="]
  ) {
    assertBad("node.renew", { csr });
    assertBad("join", { csr });
  }
  for (const csr of ["", "AA==", "AAA=", "AAAA", "+/+/"]) {
    parse("node.renew", { csr });
  }
});

Deno.test("METHODS wants a challenge that nobody guesses", () => {
  const prove = (bytes: number) => ({
    prove: { token: ID, nonce: btoa("n".repeat(bytes)) },
  });
  for (const bytes of [0, 1, 15, 34]) assertBad("hello", prove(bytes));
  for (const bytes of [16, 32]) parse("hello", prove(bytes));
});

function session(change: Record<string, unknown>): Record<string, unknown> {
  return { id: ID, lastSeen: 0, resume: true, instance: ID, ...change };
}
