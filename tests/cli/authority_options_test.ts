import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  type AuthorityGiven,
  authorityWish,
} from "../../lib/cli/authority_options.ts";

const NONE: AuthorityGiven = {
  "ca-cert": undefined,
  "ca-key": undefined,
  "ca-key-passphrase-file": undefined,
  "external-ca": [],
};
const SPEC = "protocol=cfssl,url=https://ca.example.org,ca=ca.pem,auth-key=key";

Deno.test("authorityWish() is nothing for a new root, and else what was given", () => {
  assertEquals(authorityWish(NONE), undefined);
  assertEquals(
    authorityWish({ ...NONE, "ca-cert": "c", "ca-key": "k" }),
    { certFile: "c", keyFile: "k" },
  );
  assertEquals(
    authorityWish({ ...NONE, "ca-cert": "c", "external-ca": [SPEC] }),
    {
      certFile: "c",
      external: [{
        protocol: "cfssl",
        url: "https://ca.example.org/api/v1/cfssl",
        caFile: "ca.pem",
        authKeyFile: "key",
      }],
    },
  );
});

Deno.test("authorityWish() refuses what does not go together, and shows no password", () => {
  const five = [1, 2, 3, 4, 5].map((i) => SPEC.replace("ca.", `ca${i}.`));
  const cases: Partial<AuthorityGiven>[] = [
    { "ca-cert": "c" },
    { "ca-key": "k" },
    { "ca-key-passphrase-file": "p" },
    { "ca-key": "k", "external-ca": [SPEC] },
    { "ca-key-passphrase-file": "p", "external-ca": [SPEC] },
    { "external-ca": [SPEC, SPEC] },
    { "external-ca": five },
    { "external-ca": [SPEC.replace("https://", "https://me:hunter2@")] },
  ];
  for (const each of cases) {
    const error = assertThrows(
      () => authorityWish({ ...NONE, ...each }),
      SwarmdError,
    );
    assertEquals([error.code, error.verdict], ["usage", "stop"]);
    assertFalse(error.message.includes("hunter2"), error.message);
  }
});
