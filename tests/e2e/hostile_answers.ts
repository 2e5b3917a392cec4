import type { FakeAnswer } from "./fake_manager.ts";
import { frameOf, frameOfBytes, type RawMessage } from "./raw_peer.ts";

const CODES = [
  ...["removed", "unknown-node", "replaced", "expired", "not-yet-valid"],
  ...["suspended", "conflict", "newer-than-store", "foreign-cluster"],
  ...["token-refused", "already-joined", "key-in-use", "cloned", "internal"],
  ...["session-ended", "no-such-code"],
];
const VERDICTS = ["retry", "rejoin", "stop", "no-such-verdict"];

/** Every error with every verdict, as an answer to a request. */
export function everyVerdict(): RawMessage[] {
  return CODES.flatMap((code) =>
    VERDICTS.map((verdict) => ({
      error: {
        code: -32000,
        message: `made up: ${code}, ${verdict}`,
        data: { code, verdict, now: 0, hint: "obey" },
      },
    }))
  );
}

/** Every reason to end a connection, as the push that says it. */
export function everyClose(): Uint8Array[] {
  return CODES.map((code) =>
    frameOf({
      jsonrpc: "2.0",
      method: "close",
      params: { code, message: `made up: ${code}`, now: 0 },
    })
  );
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What no manager says: results of wrong types, and frames that lie. */
export function everyGarbage(): FakeAnswer[] {
  const deep = "[".repeat(10_000) + "]".repeat(10_000);
  return [
    { result: null },
    { result: [] },
    { result: "x".repeat(60_000) },
    { result: {} },
    { result: { protocol: "one", now: "now", cluster: 7, managers: {} } },
    { result: { certificate: "!", links: [] } },
    { result: { certificate: "AAAA", links: [] } },
    { result: { certificate: "A".repeat(40_000), links: [] } },
    { result: {}, error: {} },
    { error: "no" },
    { error: { code: "x", message: 1, data: [] } },
    { id: 99, result: {} },
    { id: "1", result: {} },
    { method: "join", params: {} },
    { method: "move", params: { reason: "x" } },
    { method: "node.renew-now", params: { reason: "x" }, n: 1 },
    frameOf([]),
    frameOf([{ jsonrpc: "2.0", id: 1, result: {} }]),
    frameOf({ jsonrpc: "1.0", id: 1, result: {} }),
    frameOfBytes(bytes(`{"jsonrpc":"2.0","id":1,"result":${deep}}`)),
    frameOfBytes(bytes('{"jsonrpc":"2.0","id":1,"result":{"__proto__":{}}}')),
    frameOfBytes(bytes("not JSON")),
    frameOfBytes(Uint8Array.of(0xff, 0xfe, 0xfd)),
    frameOfBytes(new Uint8Array(), 0),
    frameOfBytes(bytes("{}"), 0xffff_ffff),
    frameOfBytes(new Uint8Array(70_000)),
    bytes("HTTP/1.1 400 Bad Request\r\n\r\n"),
  ];
}
