import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/base/bytes.ts";
import { hasCode } from "../../lib/base/errors.ts";
import { createCsr, readCsr } from "../../lib/pki/csr.ts";
import { readSpki } from "../../lib/pki/spki.ts";
import { realCrypto } from "../pki/material.ts";
import { SeededRandom } from "../fakes/random.ts";
import { SimCrypto } from "../fakes/sim_crypto.ts";
import { mutated } from "./mutate.ts";
import { fuzzSeed } from "./seed.ts";

const RUNS = 5_000;

/** Verifies whatever parses, so that nothing hides behind a bad signature. */
class Credulous extends SimCrypto {
  override verify(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

Deno.test("readCsr() yields a P-256 key, or csr-refused, on any bytes", async () => {
  const random = new SeededRandom(fuzzSeed("request fuzz"));
  const crypto = new Credulous(random);
  let accepted = 0;
  for (let run = 0; run < RUNS; run++) {
    const good = await createCsr(crypto, await crypto.generateKey());
    const spki = await tryRead(crypto, mutated(good, { random }));
    if (!spki) continue;
    accepted++;
    assertEquals(readSpki(spki).type, "p256");
  }
  assert(accepted > RUNS / 50 && accepted < RUNS, `${accepted} accepted`);
});

Deno.test("readCsr() accepts no request that is not as it was signed", async () => {
  const random = new SeededRandom(fuzzSeed("signed request fuzz"));
  const key = await realCrypto.generateKey();
  const good = await createCsr(realCrypto, key);
  for (let run = 0; run < 1_000; run++) {
    const spki = await tryRead(realCrypto, mutated(good, { random }));
    if (spki) assertEquals(spki, key.spki);
  }
});

async function tryRead(
  crypto: Parameters<typeof readCsr>[0],
  der: Bytes,
): Promise<Bytes | undefined> {
  try {
    return (await readCsr(crypto, der)).spki;
  } catch (error) {
    assert(hasCode(error, "csr-refused"), String(error));
    return undefined;
  }
}
