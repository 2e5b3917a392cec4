import { assert, assertEquals } from "@std/assert";
import { hasCode } from "../../lib/base/errors.ts";
import {
  formatUnlockKey,
  makeUnlockKey,
  parseUnlockKey,
  type UnlockKey,
} from "../../lib/pki/unlock_key.ts";
import { SeededRandom } from "../fakes/random.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { mutatedText } from "./mutate.ts";
import { fuzzSeed } from "./seed.ts";

const RUNS = 10_000;
const PIECES = ["-", "SWMKEY-1-", "SWMKEY-2-", " ", "\n", "0", "9", "z", "1e3"];

Deno.test("parseUnlockKey() yields a key that is written the same, or unlock-refused without quoting it", async () => {
  const random = new SeededRandom(fuzzSeed("unlock key fuzz"));
  const crypto = new SimCrypto(random);
  let accepted = 0;
  for (let run = 0; run < RUNS; run++) {
    const key = makeUnlockKey(random, 1 + random.integer(300));
    const good = await formatUnlockKey(crypto, key);
    const text = mutatedText(good, { random, pieces: PIECES });
    const parsed = await tryParse(crypto, text);
    if (!parsed) continue;
    accepted++;
    assertEquals(await formatUnlockKey(crypto, parsed), text.trim());
  }
  assert(accepted > RUNS / 50 && accepted < RUNS, `${accepted} accepted`);
});

async function tryParse(
  crypto: SimCrypto,
  text: string,
): Promise<UnlockKey | undefined> {
  try {
    return await parseUnlockKey(crypto, text);
  } catch (error) {
    assert(hasCode(error, "unlock-refused"), String(error));
    const secret = text.split("-")[3] ?? "";
    assert(secret.length < 8 || !String(error).includes(secret));
    return undefined;
  }
}
