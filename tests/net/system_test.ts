import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import {
  systemClock,
  systemCrypto,
  systemRandom,
} from "../../lib/net/system.ts";

Deno.test("systemClock schedules and cancels", async () => {
  const fired: string[] = [];
  const cancel = systemClock.schedule(1, () => fired.push("cancelled"));
  cancel();
  await new Promise<void>((done) => {
    systemClock.schedule(5, () => {
      fired.push("late");
      done();
    });
    systemClock.schedule(0, () => fired.push("soon"));
  });
  assertEquals(fired, ["soon", "late"]);
});

Deno.test("systemClock waits longer than setTimeout can", async () => {
  let fired = false;
  // 2 ** 31 milliseconds would make setTimeout fire at once
  const cancel = systemClock.schedule(2 ** 31, () => fired = true);
  await new Promise<void>((done) => systemClock.schedule(20, done));
  cancel();
  assert(!fired);
});

Deno.test("systemClock tells both times", () => {
  assert(Math.abs(systemClock.now() - Date.now()) < 1_000);
  const start = systemClock.monotonic();
  assert(systemClock.monotonic() >= start);
});

Deno.test("systemRandom fills any length and stays below 1", () => {
  const long = systemRandom.bytes(200_000);
  assertEquals(long.length, 200_000);
  for (const at of [0, 65_535, 65_536, 131_072, 196_608, 199_900]) {
    assert(long.subarray(at, at + 64).some((byte) => byte !== 0));
  }
  assertNotEquals(systemRandom.bytes(16), systemRandom.bytes(16));
  const numbers = Array.from({ length: 1_000 }, () => systemRandom.uniform());
  assert(numbers.every((each) => each >= 0 && each < 1));
  assert(Math.min(...numbers) < 0.1 && Math.max(...numbers) > 0.9);
});

Deno.test("systemCrypto signs and verifies", async () => {
  const { privateKey, spki } = await systemCrypto.generateKey();
  const data = utf8("data");
  const signature = await systemCrypto.sign(privateKey, data);
  const request = { spki, algorithm: "ecdsa-sha256", data, signature } as const;
  assert(await systemCrypto.verify(request));
  assert(!await systemCrypto.verify({ ...request, data: utf8("other") }));
});
