import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat } from "../../lib/base/bytes.ts";
import { decodePem, encodePem } from "../../lib/pki/pem.ts";
import { SeededRandom } from "../fakes/random.ts";
import { mutatedText } from "./mutate.ts";
import { fuzzSeed } from "./seed.ts";

const RUNS = 10_000;
const LABEL = "CERTIFICATE";
const PIECES = [
  "\n",
  "\r\n",
  "=",
  " ",
  "-----BEGIN CERTIFICATE-----\n",
  "-----END CERTIFICATE-----\n",
  "-----BEGIN PRIVATE KEY-----\n",
  "Proc-Type: 4,ENCRYPTED\n",
  "\u00e9",
];

Deno.test("decodePem() yields blocks that are written the same, or a SyntaxError, on any text", () => {
  const random = new SeededRandom(fuzzSeed("PEM fuzz"));
  let accepted = 0;
  for (let run = 0; run < RUNS; run++) {
    const count = 1 + random.integer(3);
    const ders = Array.from(
      { length: count },
      () => random.bytes(1 + random.integer(150)),
    );
    const good = ders.map((der) => encodePem(LABEL, der)).join("");
    const text = mutatedText(good, { random, pieces: PIECES });
    const blocks = tryDecode(text);
    if (!blocks) continue;
    accepted++;
    // The same again, but for line ends and what is white between blocks.
    const again = blocks.map((der) => encodePem(LABEL, der)).join("");
    assertEquals(withoutWhite(again), withoutWhite(text));
    assert(concat(...blocks).length <= text.length);
  }
  assert(accepted > RUNS / 50 && accepted < RUNS, `${accepted} accepted`);
});

function tryDecode(text: string): Bytes[] | undefined {
  try {
    return decodePem(text, LABEL);
  } catch (error) {
    assert(error instanceof SyntaxError, String(error));
    return undefined;
  }
}

function withoutWhite(text: string): string {
  return text.replace(/\s/g, "");
}
