import {
  assert,
  assertEquals,
  assertFalse,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { fromHex } from "../../lib/base/bytes.ts";
import { parseExternalCa, readAuthKey } from "../../lib/signer/external_ca.ts";

const URL = "url=https://ca.example:8888";
const BASE = `protocol=cfssl,${URL},ca=/etc/ca.pem`;

Deno.test("parseExternalCa() reads every field, in any order", () => {
  assertEquals(parseExternalCa(`${BASE},auth-key=/k`), {
    protocol: "cfssl",
    url: "https://ca.example:8888/api/v1/cfssl",
    caFile: "/etc/ca.pem",
    authKeyFile: "/k",
  });
  assertEquals(
    parseExternalCa(
      `key=/c=k.pem,cert=/c.pem,auth-key=/k,profile=swarmd.v-1,${BASE}`,
    ),
    {
      protocol: "cfssl",
      url: "https://ca.example:8888/api/v1/cfssl",
      profile: "swarmd.v-1",
      caFile: "/etc/ca.pem",
      authKeyFile: "/k",
      identityFiles: { cert: "/c.pem", key: "/c=k.pem" },
    },
  );
});

Deno.test("parseExternalCa() knows where the API begins, however the URL ends", () => {
  const urls = {
    "https://h": "https://h/api/v1/cfssl",
    "https://h/": "https://h/api/v1/cfssl",
    "https://h:443/sign": "https://h/api/v1/cfssl",
    "https://h/api/v1/cfssl": "https://h/api/v1/cfssl",
    "https://h/api/v1/cfssl/": "https://h/api/v1/cfssl",
    "https://h/api/v1/cfssl/sign": "https://h/api/v1/cfssl",
    "https://h/api/v1/cfssl/authsign": "https://h/api/v1/cfssl",
    "https://h/pki/a": "https://h/pki/a",
    "https://[2001:db8::1]:8888": "https://[2001:db8::1]:8888/api/v1/cfssl",
    "https://192.0.2.1": "https://192.0.2.1/api/v1/cfssl",
  };
  for (const [url, base] of Object.entries(urls)) {
    const text = `protocol=cfssl,url=${url},ca=F,auth-key=K`;
    assertEquals(parseExternalCa(text).url, base, url);
  }
  const local = ["127.0.0.1:8888", "127.9.9.9", "[::1]:1", "localhost:8888"];
  for (const host of local) {
    const text = `protocol=cfssl,url=http://${host},auth-key=K`;
    assertEquals(parseExternalCa(text).url, `http://${host}/api/v1/cfssl`);
  }
});

Deno.test("parseExternalCa() names every field that is wrong", () => {
  const auth = "auth-key=K";
  const cases: Record<string, readonly string[]> = {
    "": ["field protocol is missing", "field url is missing"],
    [`${URL},ca=F,${auth}`]: ["field protocol is missing"],
    [`protocol=acme,${URL},ca=F,${auth}`]: ["field protocol is not cfssl"],
    [`protocol=cfssl,ca=F,${auth}`]: ["field url is missing"],
    [`protocol=cfssl,${URL},${auth}`]: ["field ca is missing"],
    [BASE]: ["field auth-key is missing, as are cert and key"],
    [`${BASE},cert=C`]: ["field key is missing beside cert"],
    [`${BASE},key=C`]: ["field cert is missing beside key"],
    [`${BASE},${auth},auth-key=L`]: ["field auth-key is given twice"],
    [`${BASE},${auth},profile=`]: ["field profile is empty"],
    [`${BASE},${auth},profile=a b`]: ["field profile is not 1 to 64"],
    [`${BASE},${auth},label=x`]: ['unknown field "label"'],
    [`${BASE},${auth},`]: ['unknown field ""'],
    [`protocol=x,url=ftp://h,frob=1`]: [
      'unknown field "frob"',
      "field url is not https://…",
      "field protocol is not cfssl",
      "field ca is missing",
      "field auth-key is missing",
    ],
    [`protocol=cfssl,url=http://h,${auth}`]: ["field url is not https, which"],
    [`protocol=cfssl,url=http://127.0.0.1.evil.example,${auth}`]: [
      "field url is not https, which",
    ],
    [`protocol=cfssl,url=http://127.0.0.1,ca=F,${auth}`]: [
      "field ca is of no use without https",
    ],
    [`protocol=cfssl,url=http://127.0.0.1,cert=C,key=K`]: [
      "field cert, key is of no use without https",
    ],
    [`protocol=cfssl,url=https://h?x,ca=F,${auth}`]: ["more than a path"],
    [`protocol=cfssl,url=https://h#x,ca=F,${auth}`]: ["more than a path"],
    [`protocol=cfssl,url=https://a b,ca=F,${auth}`]: ["field url is not"],
    [`protocol=cfssl,url=https://u:hunter2@h,ca=F,${auth}`]: [
      "holds a user name or password",
    ],
  };
  for (const [text, wanted] of Object.entries(cases)) {
    const { message } = assertThrows(() => parseExternalCa(text), SyntaxError);
    for (const each of wanted) assertStringIncludes(message, each, text);
    assertStringIncludes(message, "want protocol=cfssl,url=https://");
    assertFalse(message.includes("hunter2"));
  }
});

Deno.test("parseExternalCa() throws nothing but a SyntaxError, and accepts no URL with a secret", () => {
  const field = fc.constantFrom(
    "protocol=cfssl",
    "url=https://h",
    "url=http://[::1]",
    "ca=F",
    "auth-key=K",
    "cert=C",
    "key=K",
    "profile=p",
  );
  const any = fc.oneof(field, fc.string(), fc.webUrl().map((u) => `url=${u}`));
  fc.assert(fc.property(fc.array(any, { maxLength: 8 }), (parts) => {
    try {
      const { url, authKeyFile, identityFiles } = parseExternalCa(
        parts.join(","),
      );
      assert(/^https?:\/\/[^@]+$/.test(url));
      assert(authKeyFile !== undefined || identityFiles !== undefined);
    } catch (error) {
      assert(error instanceof SyntaxError, String(error));
    }
  }));
});

Deno.test("readAuthKey() takes hexadecimal of 16 to 1024 bytes, and quotes none", () => {
  const hex = "00112233445566778899aabbccddeeff";
  assertEquals(readAuthKey(`  ${hex.toUpperCase()}\n`), fromHex(hex));
  assertEquals(readAuthKey(hex.repeat(64)).length, 1_024);
  const bad = ["", hex.slice(2), hex.slice(1), `${hex}zz`, hex.repeat(65)];
  for (const text of bad) {
    const error = assertThrows(() => readAuthKey(text), SyntaxError);
    assertEquals(error.cause, undefined);
    if (text !== "") assertFalse(error.message.includes(text));
  }
});
