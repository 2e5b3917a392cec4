import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encodePem } from "../../lib/pki/pem.ts";
import type { Holder } from "../pki/material.ts";
import { OpensslFolder } from "../pki/openssl.ts";
import { Cfssl } from "./cfssl.ts";
import { authorityAt, CONFIG, newOrder, refusal, signerOf } from "./rig.ts";
import { newRoot } from "./roots.ts";
import { answerOf, freePort, RawServer } from "./servers.ts";

const HTML = "<html><body>Sign in</body></html>";

function success(result: unknown): string {
  return answerOf(200, JSON.stringify({ success: true, result, errors: [] }));
}

/** What a server sends, and what is said of it. */
function noAnswers(
  ca: Holder,
): Record<string, readonly [string | Uint8Array, string]> {
  const own = encodePem("CERTIFICATE", ca.certificate.der);
  return {
    "HTML": [
      answerOf(200, HTML),
      "HTTP status 200 without an answer of cfssl",
    ],
    "an error page": [
      answerOf(502, HTML),
      "HTTP status 502 without an answer of cfssl",
    ],
    "a redirect": [
      `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${freePort()}/\r\n\r\n`,
      "HTTP status 302 without an answer of cfssl",
    ],
    "bytes": [crypto.getRandomValues(new Uint8Array(900)), "found "],
    "nothing": ["", "found no whole HTTP answer"],
    "half": [
      success({ certificate: "x" }).slice(0, -3),
      "a body that is not as long as declared",
    ],
    "flood": [
      `HTTP/1.1 200 OK\r\n\r\n${"x".repeat(200_000)}`,
      "found an answer above 65536 bytes",
    ],
    "null": [answerOf(200, "null"), "without an answer of cfssl"],
    "an array": [answerOf(200, "[]"), "error 0"],
    "no result": [success(null), "an answer without certificate"],
    "garbage for a certificate": [
      success({ certificate: "-----BEGIN CERTIFICATE-----\nAAAA\n" }),
      "Cannot read certificate",
    ],
    "two certificates": [
      success({
        certificate: own.repeat(2),
      }),
      "not one certificate",
    ],
    "an authority's certificate": [
      success({ certificate: own }),
      'CA: found ["true"], want ["false"]',
    ],
    "control characters": [
      answerOf(400, '{"errors":[{"code":400,"message":"a\\u001b[31m\\nb"}]}'),
      '"a?[31m?b"',
    ],
    "a certificate that failed": [
      answerOf(500, '{"success":true,"result":{"certificate":"x"}}'),
      "HTTP status 500, error 0",
    ],
  };
}

Deno.test("externalSigner() takes nothing for an answer that is none", async () => {
  const ca = await newRoot();
  for (const [name, [bytes, says]] of Object.entries(noAnswers(ca))) {
    await using server = RawServer.sending(bytes);
    const text = await refusal(ca, [authorityAt(server.port)]);
    assertStringIncludes(text, says, name);
    assert(text.length < 1_500, name);
  }
});

Deno.test("externalSigner() waits for a hanging authority only as long as it may, and asks the next", async () => {
  await using folder = await OpensslFolder.create();
  const ca = await newRoot();
  await using hanging = RawServer.hanging();
  await using cfssl = await Cfssl.start(folder, ca, { config: CONFIG });
  const authorities = [authorityAt(hanging.port), authorityAt(cfssl.port)];
  const signer = signerOf(ca, authorities, { timeoutMs: 300 });
  const orders = await Promise.all(
    Array.from({ length: 40 }, () => newOrder()),
  );
  await Promise.all(
    orders.map(({ profile, csr }) => signer.issue(profile, csr)),
  );
  assertEquals(hanging.requests, 8);
  assertStringIncludes(
    signer.health()[0]?.fault ?? "",
    "no answer in 300 ms",
  );
});

Deno.test("externalSigner() does not ask the proxies of the environment", async () => {
  await using folder = await OpensslFolder.create();
  const ca = await newRoot();
  await using cfssl = await Cfssl.start(folder, ca, { config: CONFIG });
  await using proxy = RawServer.sending(answerOf(200, "{}"));
  const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"];
  for (const name of names) Deno.env.set(name, proxy.url);
  try {
    const { profile, csr } = await newOrder();
    await signerOf(ca, [authorityAt(cfssl.port)]).issue(profile, csr);
  } finally {
    for (const name of names) Deno.env.delete(name);
  }
  assertEquals(proxy.requests, 0);
});
