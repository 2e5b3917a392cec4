import { assertEquals } from "@std/assert";
import { DAY } from "../../lib/base/time.ts";
import { systemCrypto, systemRandom } from "../../lib/net/system.ts";
import { readCertificate } from "../../lib/pki/certificate.ts";
import { createRoot } from "../../lib/pki/root.ts";

Deno.test("createRoot() begins no later than the root before it, whatever the clock says", async () => {
  const key = await systemCrypto.generateKey();
  const random = systemRandom;
  const now = Date.UTC(2026, 0, 10);
  const since = Date.UTC(2026, 0, 1);
  for (
    const [at, begin] of [[now, since], [now + 100 * DAY, since], [
      since - 10 * DAY,
      since - 11 * DAY,
    ]] as const
  ) {
    const order = { random, now: at, generation: 2, key, since };
    const der = await createRoot(systemCrypto, order);
    const { notBefore } = await readCertificate(systemCrypto, der);
    assertEquals(notBefore, begin);
  }
});
