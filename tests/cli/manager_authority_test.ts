import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY } from "../../lib/base/time.ts";
import { openAuthority } from "../../lib/cli/manager_authority.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cfssl } from "../signer/cfssl.ts";
import { CONFIG } from "../signer/rig.ts";
import { corporateRoot } from "../signer/roots.ts";

Deno.test("openAuthority() refuses an authority that does not sign for as long as leaves may live", async () => {
  await using folder = await OpensslFolder.create();
  const ca = await corporateRoot();
  await using cfssl = await Cfssl.start(folder, ca, { config: CONFIG });
  const texts = {
    external: [{
      url: `http://127.0.0.1:${cfssl.port}/api/v1/cfssl`,
      profile: "swarmd",
      authKey: CONFIG.auth_keys.swarmd.key,
      rootsPem: "",
    }],
  };
  const use = { leafLifeMs: 90 * DAY, advertise: [{ host: "127.0.0.1" }] };
  const { anchor } = await openAuthority(texts, use);
  assertEquals(anchor.der, ca.certificate.der);
  const until = Date.now() + 40 * DAY;
  const error = await assertRejects(
    () => openAuthority(texts, { ...use, until }),
    SwarmdError,
  );
  assertEquals([error.code, error.verdict], ["precondition", "stop"]);
  assertStringIncludes(error.message, "end: found");
});
