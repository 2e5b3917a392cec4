import {
  assert,
  assertEquals,
  assertFalse,
  assertLess,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { type Bytes, fromUtf8, utf8 } from "../../lib/base/bytes.ts";
import { hasCode, SwarmdError } from "../../lib/base/errors.ts";
import {
  decodeMessage,
  encodeMessage,
  type WireMessage,
} from "../../lib/rpc/message.ts";
import { fuzzSeed } from "../fuzz/seed.ts";

const MAX = Number.MAX_SAFE_INTEGER;

Deno.test("encodeMessage() writes JSON-RPC 2.0", () => {
  const table: [message: WireMessage, text: string][] = [
    [
      { id: 1, method: "join", params: { csr: "…" } },
      '"id":1,"method":"join","params":{"csr":"…"}',
    ],
    [
      { method: "ack", params: { seen: 7 } },
      '"method":"ack","params":{"seen":7}',
    ],
    [{ method: "ca.root" }, '"method":"ca.root"'],
    [{ id: 0, result: null, n: 1 }, '"id":0,"result":null,"n":1'],
    [{ id: 2, result: undefined }, '"id":2,"result":null'],
    [
      { id: 3, error: { code: -32000, message: "No" } },
      '"id":3,"error":{"code":-32000,"message":"No"}',
    ],
    [{ id: MAX, method: "m", n: MAX }, `"id":${MAX},"method":"m","n":${MAX}`],
  ];
  for (const [message, text] of table) {
    assertEquals(fromUtf8(encodeMessage(message)), `{"jsonrpc":"2.0",${text}}`);
  }
});

Deno.test("decodeMessage() accepts the four shapes, and drops what it does not know", () => {
  const table: [text: string, message: WireMessage][] = [
    ['"id":1,"method":"a"', { id: 1, method: "a" }],
    ['"id":0,"method":"a.B-9","params":{},"n":1', {
      id: 0,
      method: "a.B-9",
      params: {},
      n: 1,
    }],
    ['"method":"a","params":{"x":[1]}', { method: "a", params: { x: [1] } }],
    ['"id":1,"result":null', { id: 1, result: null }],
    ['"id":1,"result":{"error":1}', { id: 1, result: { error: 1 } }],
    ['"id":1,"error":{"code":-1,"message":""}', {
      id: 1,
      error: { code: -1, message: "" },
    }],
    ['"id":1,"error":{"code":1,"message":"m","data":{"code":"x"},"more":1}', {
      id: 1,
      error: { code: 1, message: "m", data: { code: "x" } },
    }],
    ['"method":"a","trace":"t","constructor":{},"toString":1', { method: "a" }],
    ['"method":"a","params":{"text":"{\\"__proto__\\":1}"}', {
      method: "a",
      params: { text: '{"__proto__":1}' },
    }],
    ['"method":"a","params":{"x":"__proto__"}', {
      method: "a",
      params: { x: "__proto__" },
    }],
  ];
  for (const [text, message] of table) {
    assertEquals(decode(`{"jsonrpc":"2.0",${text}}`), message);
  }
});

Deno.test("decodeMessage() refuses every other shape", () => {
  const table: [members: string, found: string][] = [
    ["", '"method"'],
    ['"id":1', '"result"'],
    ['"id":1,"result":1,"error":{"code":1,"message":""}', "exactly one"],
    ['"id":1,"result":1,"error":null', "exactly one"],
    ['"result":1', '"id"'],
    ['"id":null,"result":1', '"id"'],
    ['"id":"1","result":1', '"id"'],
    ['"id":-1,"method":"a"', '"id"'],
    ['"id":1.5,"method":"a"', '"id"'],
    ['"id":9007199254740992,"method":"a"', '"id"'],
    ['"id":1e400,"method":"a"', '"id"'],
    ['"id":null,"method":"a"', '"id"'],
    ['"id":[1],"method":"a"', '"id"'],
    ['"method":"a","result":1', "at once"],
    ['"method":"a","result":null', "at once"],
    ['"method":"a","error":{"code":1,"message":""}', "at once"],
    ['"method":"a","params":[1]', '"params"'],
    ['"method":"a","params":null', '"params"'],
    ['"method":"a","params":1', '"params"'],
    ['"id":1,"result":1,"params":{}', '"params"'],
    ['"method":""', '"method"'],
    ['"method":null', '"method"'],
    ['"method":"A"', '"method"'],
    ['"method":"a\\n"', '"method"'],
    ['"method":"a_b"', '"method"'],
    ['"method":"é"', '"method"'],
    ['"method":"__proto__"', '"method"'],
    [`"method":"${"a".repeat(65)}"`, '"method"'],
    ['"id":1,"error":null', '"error"'],
    ['"id":1,"error":[]', '"error"'],
    ['"id":1,"error":{"message":""}', '"error.code"'],
    ['"id":1,"error":{"code":"1","message":""}', '"error.code"'],
    ['"id":1,"error":{"code":1.5,"message":""}', '"error.code"'],
    ['"id":1,"error":{"code":1}', '"error.message"'],
    ['"id":1,"error":{"code":1,"message":"","data":[]}', '"error.data"'],
    ['"id":1,"error":{"code":1,"message":"","data":null}', '"error.data"'],
    ['"method":"a","n":0', '"n"'],
    ['"method":"a","n":-1', '"n"'],
    ['"method":"a","n":1.5', '"n"'],
    ['"method":"a","n":"1"', '"n"'],
    ['"method":"a","n":null', '"n"'],
    ['"method":"a","n":9007199254740992', '"n"'],
    ['"method":"a","__proto__":{"x":1}', "__proto__"],
  ];
  for (const [members, found] of table) {
    const comma = members === "" ? "" : ",";
    refused(utf8(`{"jsonrpc":"2.0"${comma}${members}}`), found);
  }
});

Deno.test("decodeMessage() refuses what is not one JSON object of version 2.0", () => {
  const table: [payload: Bytes | string, found: string][] = [
    ["", "not JSON"],
    ["null", "not an object"],
    ["1", "not an object"],
    ["[]", "not an object"],
    ['[{"jsonrpc":"2.0","method":"a"}]', "not an object"],
    ['{"method":"a"}', '"jsonrpc"'],
    ['{"jsonrpc":"1.0","method":"a"}', '"jsonrpc"'],
    ['{"jsonrpc":2.0,"method":"a"}', '"jsonrpc"'],
    ['{"jsonrpc":"2.0","method":"a"', "not JSON"],
    ['{"jsonrpc":"2.0","method":"a"}{}', "not JSON"],
    ['{"jsonrpc":"2.0","id":01,"method":"a"}', "not JSON"],
    ['{"jsonrpc":"2.0","id":NaN,"method":"a"}', "not JSON"],
    ['{"jsonrpc":"2.0","method":"a","params":{"x":"\u0001"}}', "not JSON"],
    [Uint8Array.of(0x22, 0xff, 0x22), "UTF-8"],
    // An overlong slash, a surrogate, and a truncated sequence.
    [Uint8Array.of(0x22, 0xc0, 0xaf, 0x22), "UTF-8"],
    [Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), "UTF-8"],
    [Uint8Array.of(0x22, 0xe2, 0x82), "UTF-8"],
  ];
  for (const [payload, found] of table) {
    refused(typeof payload === "string" ? utf8(payload) : payload, found);
  }
});

Deno.test("decodeMessage() never quotes what it refuses", () => {
  const secret = "xyzzysecret";
  const payloads = [
    `{"jsonrpc":"2.0","id":1,"method":"join","params":{"secret":${secret}}}`,
    `{"jsonrpc":"2.0","id":1,"method":"${secret}!","params":{}}`,
    `{"jsonrpc":"2.0","id":"${secret}","result":1}`,
    `${secret}`,
  ];
  for (const payload of payloads) {
    const error = refused(utf8(payload), "Cannot accept message");
    assertFalse(Deno.inspect(error).includes(secret));
    assertEquals(error.cause, undefined);
  }
});

Deno.test("decodeMessage() counts nesting outside of strings only", () => {
  const params = (depth: number, inner = "") =>
    `{"jsonrpc":"2.0","method":"a","params":{"x":` +
    `${"[".repeat(depth)}${inner}${"]".repeat(depth)}}}`;
  decode(params(14));
  refused(utf8(params(15)), "deeper than 16");
  refused(utf8(params(15, '"')), "deeper than 16");
  decode(params(14, '"[[[{{{\\"[[[\\\\"'));
  decode(params(1, Array(1000).fill("[]").join()));
});

Deno.test("decodeMessage() refuses a mebibyte of nesting without parsing it", () => {
  const size = 1 << 20;
  const table: [payload: string, found: string][] = [
    ["[".repeat(size), "deeper"],
    ['{"":'.repeat(size / 4), "deeper"],
    // Closing first does not earn credit for opening: the parser stops there.
    ["]".repeat(size / 2) + "[".repeat(size / 2), "not JSON"],
    ['"' + "[".repeat(size), "not JSON"],
  ];
  const start = performance.now();
  for (const [payload, found] of table) refused(utf8(payload), found);
  assertLess(performance.now() - start, 2_000);
});

Deno.test("decodeMessage() refuses __proto__ however it is written", () => {
  const escaped = String.raw`\u005f\u005F\u0070\u0072\u006f\u0074\u006F__`;
  for (const name of ["__proto__", escaped, String.raw`__pr\u006fto__`]) {
    for (const gap of ["", " ", "\n\t"]) {
      const key = `${gap}"${name}"${gap}:{"polluted":true}`;
      refused(utf8(`{${key},"jsonrpc":"2.0","method":"a"}`), "__proto__");
      refused(
        utf8(`{"jsonrpc":"2.0","method":"a","params":{"x":[{"y":1,${key}}]}}`),
        "__proto__",
      );
    }
  }
  assertFalse("polluted" in {});
});

Deno.test("encodeMessage() refuses what the decoder would refuse", () => {
  const deep = JSON.parse("[".repeat(15) + "]".repeat(15));
  const table: [message: unknown, found: string][] = [
    [{ method: "Bad" }, '"method"'],
    [{ method: "a", params: [] }, '"params"'],
    [{ id: -1, method: "a" }, '"id"'],
    [{ id: NaN, result: 1 }, '"id"'],
    [{ method: "a", n: 0 }, '"n"'],
    [{ id: 1 }, "exactly one"],
    [{ id: 1, result: 1, error: { code: 1, message: "" } }, "exactly one"],
    [{ id: 1, result: deep, method: "a" }, "at once"],
    [{ method: "a", params: { deep } }, "deeper"],
    [{ method: "a", params: JSON.parse('{"__proto__":1}') }, "__proto__"],
    [
      { method: "a", params: { x: "y".repeat(1 << 20) } },
      "want at most 1048576",
    ],
  ];
  for (const [message, found] of table) {
    const error = assertThrows(
      () => encodeMessage(message as WireMessage),
      SwarmdError,
      found,
    );
    assertEquals(error.code, "bad-message");
  }
});

Deno.test("encodeMessage() fills a frame to the last byte", () => {
  const empty = encodeMessage({ method: "a", params: { x: "" } }).length;
  const fill = (length: number) =>
    encodeMessage({ method: "a", params: { x: "y".repeat(length) } });
  assertEquals(fill((1 << 20) - empty).length, 1 << 20);
  assertThrows(() => fill((1 << 20) - empty + 1), SwarmdError);
});

Deno.test("decodeMessage() reads what encodeMessage() writes", () => {
  fc.assert(
    fc.property(messages(), (message) => {
      assertEquals(decodeMessage(encodeMessage(message)), message);
    }),
    { numRuns: 500, seed: fuzzSeed("message round trip") },
  );
});

Deno.test("decodeMessage() loses nothing of text that is not well-formed UTF-16", () => {
  const message = { method: "a", params: { x: "\ud800", y: "\u0000\u2028😀" } };
  assertEquals(decodeMessage(encodeMessage(message)), message);
});

function decode(text: string): WireMessage {
  return decodeMessage(utf8(text));
}

function refused(payload: Bytes, found: string): Error {
  try {
    decodeMessage(payload);
  } catch (error) {
    assert(error instanceof Error && hasCode(error, "bad-message"));
    assertStringIncludes(error.message, found);
    return error;
  }
  throw new TypeError(`Accepted: ${fromUtf8(payload).slice(0, 200)}`);
}

function messages(): fc.Arbitrary<WireMessage> {
  const count = fc.oneof(fc.nat(), fc.constantFrom(0, MAX));
  const json = fc.jsonValue({ maxDepth: 8 }).filter(isCarried);
  const object = fc.dictionary(fc.string(), json).filter(isCarried);
  const method = fc.stringMatching(/^[a-z][a-z0-9.A-Z-]{0,63}$/);
  const n = count.map((value) => Math.max(value, 1));
  const optional = { requiredKeys: ["method"] as const };
  const failure = fc.record({
    code: fc.integer(),
    message: fc.string(),
    data: object,
  }, { requiredKeys: ["code", "message"] });
  return fc.oneof(
    fc.record({ id: count, method, params: object, n }, {
      requiredKeys: ["id", "method"],
    }),
    fc.record({ method, params: object, n }, {
      requiredKeys: [...optional.requiredKeys],
    }),
    fc.record({ id: count, result: json, n }, {
      requiredKeys: ["id", "result"],
    }),
    fc.record({ id: count, error: failure, n }, {
      requiredKeys: ["id", "error"],
    }),
  );
}

/** Not `__proto__`, which is refused, and not -0, which JSON has not. */
function isCarried(value: unknown): boolean {
  const text = JSON.stringify(value);
  if (text.includes('"__proto__":')) return false;
  try {
    assertEquals(JSON.parse(text), value);
    return true;
  } catch {
    return false;
  }
}
