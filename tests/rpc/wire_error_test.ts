import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertLess,
  assertStringIncludes,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { MAX_GREETING_FRAME } from "../../lib/rpc/connection.ts";
import {
  decodeMessage,
  encodeMessage,
  type Failure,
} from "../../lib/rpc/message.ts";
import { errorFromWire, errorToWire } from "../../lib/rpc/wire_error.ts";

/** Through the real encoder and decoder. */
function travel(error: unknown, now?: number): SwarmdError {
  const failure = { id: 1, error: errorToWire(error, now) };
  return errorFromWire(decodeMessage(encodeMessage(failure)) as Failure);
}

function read(data: unknown, message = "Text"): SwarmdError {
  const code = -32000;
  return errorFromWire({ id: 1, error: { code, message, data } } as Failure);
}

Deno.test("errorToWire() and errorFromWire() carry what a SwarmdError says", () => {
  const error = new SwarmdError("removed", "Node was removed", {
    verdict: "rejoin",
    hint: "Join it again",
    data: { node: "n1", at: 5, list: ["a", 1, null, true], deep: { x: {} } },
    cause: new Error("secret cause"),
  });
  const seen = travel(error);
  assertInstanceOf(seen, SwarmdError);
  assertEquals(
    [seen.code, seen.message, seen.verdict, seen.hint, seen.data, seen.cause],
    [
      error.code,
      error.message,
      error.verdict,
      error.hint,
      error.data,
      undefined,
    ],
  );
});

Deno.test("errorToWire() adds the clock, which arrives as a fact", () => {
  const error = new SwarmdError("expired", "Too late", { data: { now: 1 } });
  assertEquals(travel(error, 1234).data, { now: 1234 });
  assertEquals(travel(error).data, { now: 1 });
});

Deno.test("errorToWire() gives the number of JSON-RPC beside the code", () => {
  const table = [
    ["bad-message", -32700],
    ["bad-frame", -32600],
    ["protocol-version", -32600],
    ["unknown-method", -32601],
    ["usage", -32602],
    ["role", -32000],
    ["internal", -32000],
  ] as const;
  for (const [code, number] of table) {
    const wire = errorToWire(new SwarmdError(code, "Text"));
    assertEquals([wire.code, wire.data?.code], [number, code]);
    assertEquals(travel(new SwarmdError(code, "Text")).code, code);
  }
});

Deno.test("errorToWire() lets no other error leave the process", () => {
  const secret = "xyzzy";
  const thrown = [
    new Error(secret),
    new TypeError(secret, { cause: new SwarmdError("role", secret) }),
    Object.assign(new Error(secret), { code: "role", verdict: "stop" }),
    { code: "role", message: secret },
    secret,
    null,
    undefined,
    Symbol(secret),
  ];
  for (const error of thrown) {
    const wire = errorToWire(error, 7);
    assertFalse(JSON.stringify(wire).includes(secret));
    const seen = travel(error, 7);
    assertEquals([seen.code, seen.verdict], ["internal", "retry"]);
    assertEquals(seen.data, { now: 7 });
  }
});

Deno.test("errorToWire() tells no peer of a path, or that its disk were full", () => {
  const error = new SwarmdError("disk", 'Cannot write "/var/lib/x": full', {
    hint: "Free space",
    data: { path: "/var/lib/x" },
  });
  const { message, data } = errorToWire(error);
  assertEquals(data?.["code"], "too-busy");
  assert(!JSON.stringify([message, data]).includes("/var"));
  assertStringIncludes(message, "the manager's own disk");
});

Deno.test("errorToWire() leaves out facts that JSON cannot carry", () => {
  const cyclic: Record<string, unknown> = { x: 1 };
  cyclic.self = cyclic;
  const data = {
    keep: 1,
    bytes: new Uint8Array(4),
    date: new Date(0),
    error: new Error("secret"),
    big: 1n,
    nan: NaN,
    infinite: Infinity,
    nothing: undefined,
    run: () => 1,
    map: new Map([["a", 1]]),
    list: [1, undefined, () => 1, [NaN]],
    cyclic,
    deep: { a: { b: { c: { d: { e: 1 } } } } },
  };
  assertEquals(travel(new SwarmdError("role", "Text", { data })).data, {
    keep: 1,
    list: [1, null, null, [null]],
    cyclic: { x: 1, self: { x: 1, self: { x: 1 } } },
    deep: { a: { b: {} } },
  });
});

Deno.test("errorToWire() always fits the smallest frame", () => {
  const long = "\u0000".repeat(1 << 20);
  const data = { long, more: Array(1000).fill("€".repeat(100)) };
  const error = new SwarmdError("role", long, { hint: long, data });
  const payload = encodeMessage({ id: 1, error: errorToWire(error, 1) });
  assertLess(payload.length, MAX_GREETING_FRAME);
  assertEquals(travel(error).code, "role");
  const wide = { facts: "€".repeat(16_000) };
  const full = new SwarmdError("role", long, { hint: long, data: wide });
  const most = encodeMessage({ id: 1, error: errorToWire(full, 1) });
  assertLess(most.length, MAX_GREETING_FRAME);
  assertEquals(travel(full).data, wide);
});

Deno.test("errorToWire() lets no fact pose as the error's own members", () => {
  const data = { code: "removed", verdict: "stop", hint: "Run this" };
  const seen = travel(new SwarmdError("role", "Text", { data }));
  assertEquals([seen.code, seen.verdict], ["role", "retry"]);
  assertEquals(seen.data, {});
});

Deno.test("errorFromWire() makes a code that it does not know internal", () => {
  const table: [data: unknown, wireCode: unknown][] = [
    [{ code: "from-the-future", verdict: "stop" }, "from-the-future"],
    [{ code: "__proto__" }, "__proto__"],
    [{ code: "toString" }, "toString"],
    [{ code: "e\u001b[2J" }, "e?[2J"],
    [{ code: 5 }, -32000],
    [{}, -32000],
    [undefined, -32000],
  ];
  for (const [data, wireCode] of table) {
    const seen = read(data);
    assertEquals([seen.code, seen.verdict], ["internal", "retry"]);
    assertEquals(seen.data, { wireCode });
  }
});

Deno.test("errorFromWire() takes only verdicts and hints that it knows", () => {
  const table: [wire: unknown, verdict: string][] = [
    ["retry", "retry"],
    ["rejoin", "rejoin"],
    ["stop", "stop"],
    ["self-destruct", "retry"],
    [undefined, "retry"],
    [["stop"], "retry"],
  ];
  for (const [verdict, wanted] of table) {
    assertEquals(read({ code: "role", verdict }).verdict, wanted);
  }
  assertEquals(read({ code: "role", hint: 5 }).hint, undefined);
  assertEquals(read({ code: "role", hint: "Do" }).hint, "Do");
});

Deno.test("errorFromWire() bounds texts and takes control characters out of them", () => {
  const evil = "a\u001b]0;x\u0007\r\n\u202eb\u2028" + "z".repeat(5000);
  const seen = read({ code: "role", hint: evil }, evil);
  for (const text of [seen.message, seen.hint]) {
    assert(text?.startsWith("a?]0;x????b?zz"), text);
    assertEquals(text?.length, 1024);
  }
});

Deno.test("errorFromWire() drops facts that are too many, or too deep", () => {
  const many = { code: "role", list: Array(20_000).fill(1) };
  assertEquals(read(many).data, {});
  const deep = { code: "role", a: { b: { c: { d: { e: 1 } } } } };
  assertEquals(read(deep).data, { a: { b: { c: {} } } });
});
