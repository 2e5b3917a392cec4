import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  assertNamesAreEnforced,
  makeTrustStorePrivate,
} from "../../lib/net/private_trust.ts";

Deno.test("makeTrustStorePrivate() leaves no root in the environment", () => {
  Deno.env.set("DENO_TLS_CA_STORE", "system");
  Deno.env.set("DENO_CERT", "/some/root.pem");
  Deno.env.set("NODE_EXTRA_CA_CERTS", "/some/root.pem");
  makeTrustStorePrivate();
  assertEquals(Deno.env.get("DENO_TLS_CA_STORE"), "");
  assertEquals(Deno.env.get("DENO_CERT"), undefined);
  assertEquals(Deno.env.get("NODE_EXTRA_CA_CERTS"), undefined);
});

Deno.test("assertNamesAreEnforced() passes on this runtime, in little time", async () => {
  await assertNamesAreEnforced(); // the first pays for the first key
  const start = performance.now();
  await assertNamesAreEnforced();
  const took = performance.now() - start;
  assert(took < 500, `${took} ms`);
});

Deno.test("assertNamesAreEnforced() stops a process that accepts any name", async () => {
  const file = new URL("../../lib/net/private_trust.ts", import.meta.url).href;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--no-lock",
      "--unsafely-ignore-certificate-errors",
      `import { assertNamesAreEnforced } from "${file}";
       await assertNamesAreEnforced();`,
    ],
  }).output();
  assertEquals(code, 1);
  assertStringIncludes(
    new TextDecoder().decode(stderr),
    'a server named "name-check.invalid" was accepted',
  );
});
