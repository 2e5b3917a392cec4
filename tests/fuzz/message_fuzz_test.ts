import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat, utf8 } from "../../lib/base/bytes.ts";
import { hasCode } from "../../lib/base/errors.ts";
import {
  decodeMessage,
  encodeMessage,
  type WireMessage,
} from "../../lib/rpc/message.ts";
import { SeededRandom } from "../fakes/random.ts";
import { fuzzSeed } from "./seed.ts";

const CORPUS: readonly string[] = [
  '{"jsonrpc":"2.0","id":1,"method":"join","params":{"csr":"MIIB","x":[1,-2.5e3,true,null]}}',
  '{"jsonrpc":"2.0","method":"ack","params":{"seen":9007199254740991}}',
  '{"jsonrpc":"2.0","id":0,"result":{"a":{"b":{"c":[[[[]]]]}}},"n":12}',
  '{"jsonrpc":"2.0","id":3,"error":{"code":-32601,"message":"né","data":{"code":"role","verdict":"stop"}}}',
  '{ "method" : "a" , "jsonrpc" : "2.0" , "\\u0061" : "\\"\\\\" }',
  '{"jsonrpc":"2.0","method":"a","params":{"__proto_":{"\\u005f_proto__ ":1}}}',
];
const TOKENS: readonly string[] = [
  ...'{}[],:"\\',
  '"__proto__":',
  '"n":1,',
  '"id":-1,',
  '"params":{},',
  '"result":0,',
  "1e999",
  "\\u005f",
  "\ud83d\ude00",
  "[[[[[[[[[[[[[[[[[",
  "\u0000",
];

Deno.test("decodeMessage() yields a message that encodes again, or bad-message", () => {
  const random = new SeededRandom(fuzzSeed("message fuzz"));
  let accepted = 0;
  const runs = 20_000;
  for (let run = 0; run < runs; run++) {
    const message = tryDecode(mutate(random));
    if (!message) continue;
    accepted += 1;
    // A fixed point: what was dropped stays dropped, what was kept is kept.
    const again = encodeMessage(message);
    assertEquals(encodeMessage(decodeMessage(again)), again);
  }
  assert(!("polluted" in {}));
  // Neither everything nor nothing: the mutations probe the border.
  assert(accepted > runs / 50 && accepted < runs, `${accepted} accepted`);
});

function tryDecode(payload: Bytes): WireMessage | undefined {
  try {
    return decodeMessage(payload);
  } catch (error) {
    assert(hasCode(error, "bad-message"), String(error));
    return undefined;
  }
}

function pick<T>(from: readonly T[], random: SeededRandom): T | undefined {
  return from[random.integer(from.length)];
}

function mutate(random: SeededRandom): Bytes {
  let payload = utf8(pick(CORPUS, random) ?? "");
  for (let i = random.integer(4); i > 0; i--) {
    const at = random.integer(payload.length + 1);
    const [head, tail] = [payload.slice(0, at), payload.slice(at)];
    switch (random.integer(4)) {
      case 0:
        payload = concat(head, utf8(pick(TOKENS, random) ?? ""), tail);
        break;
      case 1:
        payload = concat(head, random.bytes(1), tail.slice(1));
        break;
      case 2:
        payload = concat(head, tail.slice(1 + random.integer(8)));
        break;
      default:
        payload = concat(head, payload.slice(random.integer(at + 1)));
    }
  }
  return payload;
}
