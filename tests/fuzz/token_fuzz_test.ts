import { assert, assertEquals } from "@std/assert";
import { hasCode } from "../../lib/base/errors.ts";
import {
  formatJoinToken,
  type JoinToken,
  parseJoinToken,
} from "../../lib/pki/join_token.ts";
import { SeededRandom } from "../fakes/random.ts";
import { mutatedText } from "./mutate.ts";
import { fuzzSeed } from "./seed.ts";

const RUNS = 20_000;
const PIECES = ["-", "SWMTKN-1-", "SWMTKN-2-", " ", "\n", "\u00e9", "z", "0"];

Deno.test("parseJoinToken() yields a token that is written the same, or says what is wrong without quoting it", () => {
  const random = new SeededRandom(fuzzSeed("token fuzz"));
  let accepted = 0;
  for (let run = 0; run < RUNS; run++) {
    const token = formatJoinToken({
      digest: random.bytes(32),
      secret: random.bytes(16),
    });
    const text = mutatedText(token, { random, pieces: PIECES });
    const parsed = tryParse(text);
    if (!parsed) continue;
    accepted++;
    assertEquals([parsed.digest.length, parsed.secret.length], [32, 16]);
    assertEquals(formatJoinToken(parsed), text.trim());
  }
  // Neither everything nor nothing: the mutations probe the border.
  assert(accepted > RUNS / 50 && accepted < RUNS, `${accepted} accepted`);
});

function tryParse(text: string): JoinToken | undefined {
  try {
    return parseJoinToken(text);
  } catch (error) {
    assert(hasCode(error, "token-malformed", "token-version"), String(error));
    const secret = text.split("-").at(-1) ?? "";
    assert(secret.length < 8 || !String(error).includes(secret));
    return undefined;
  }
}
