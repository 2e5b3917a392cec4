import { assert } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { encodePem } from "../../lib/pki/pem.ts";
import { readCfsslAnswer } from "../../lib/signer/cfssl_api.ts";
import { SeededRandom } from "../fakes/random.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { StreamRandom } from "../fakes/stream_random.ts";
import { House } from "../manager/house.ts";
import { mutated } from "./mutate.ts";
import { fuzzSeed } from "./seed.ts";

const RUNS = 5_000;
const PIECES = [
  ...'{}[],:"\\',
  '"success":true,',
  '"result":null,',
  '"certificate":1,',
  '"__proto__":{},',
  '"errors":[{"code":9001,"message":"\\u001b[31m"}],',
  "null",
  "1e999",
  "\u001b[2J",
];

Deno.test("readCfsslAnswer() yields a certificate or a printable problem, whatever an authority answers", async () => {
  const random = new SeededRandom(fuzzSeed("cfssl answer fuzz"));
  const crypto = new SimCrypto(new StreamRandom("fuzz"));
  const { authority: { root } } = await House.open();
  const certificate = encodePem("CERTIFICATE", root.der);
  const corpus = [
    { success: true, result: { certificate }, errors: [], messages: [] },
    { success: false, result: null, errors: [{ code: 9002, message: "no" }] },
  ].map((answer) => utf8(JSON.stringify(answer)));
  const met = { certificates: 0, problems: 0 };
  for (let run = 0; run < RUNS; run++) {
    const [good = utf8("")] = corpus.slice(random.integer(corpus.length));
    const body = mutated(good, { random, pieces: PIECES });
    const status = random.integer(3) === 0 ? 400 : 200;
    const answer = await tryRead(crypto, { status, body });
    if (answer && "certificate" in answer) met.certificates++;
    else met.problems++;
    const text = JSON.stringify(answer && "problem" in answer ? answer : "");
    // deno-lint-ignore no-control-regex -- what would drive a terminal
    assert(!/[\u0000-\u001f\u007f]/.test(JSON.parse(text).problem ?? ""));
  }
  assert(met.certificates > RUNS / 50, Deno.inspect(met));
  assert(met.problems > RUNS / 50, Deno.inspect(met));
});

async function tryRead(
  crypto: SimCrypto,
  answer: Parameters<typeof readCfsslAnswer>[1],
) {
  try {
    return await readCfsslAnswer(crypto, answer);
  } catch (error) {
    // A certificate that cannot be read is its caller's to judge.
    assert(error instanceof SwarmdError || error instanceof SyntaxError);
    return undefined;
  }
}
