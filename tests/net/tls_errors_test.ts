import { assertEquals, assertStrictEquals } from "@std/assert";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import { errnoOf, tlsError } from "../../lib/net/tls_errors.ts";

const attempt = {
  what: "connect to",
  endpoint: { host: "10.0.0.5", port: 2377 },
};

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

// Texts as Deno 2.9.6 says them
const CASES: readonly (readonly [Error, ErrorCode, string])[] = [
  [
    systemError("ECONNREFUSED", "Connection refused (os error 111)"),
    "unreachable",
    "connection refused",
  ],
  [
    systemError("EHOSTUNREACH", "No route to host (os error 113)"),
    "unreachable",
    "no route to the host",
  ],
  [systemError("ETIMEDOUT", "Connection timed out"), "timed-out", "no answer"],
  [
    new Error(
      "failed to lookup address information: Name or service not known",
    ),
    "unreachable",
    "the host name has no address",
  ],
  [
    systemError("ENOTFOUND", "getaddrinfo ENOTFOUND x.invalid"),
    "unreachable",
    "the host name has no address",
  ],
  [
    new URIError("invalid host 'a b': invalid char found in FQDN"),
    "unreachable",
    "it is not a host name",
  ],
  [
    new Error("unexpected end of file"),
    "unreachable",
    "it closed the connection",
  ],
  [
    new Error(
      "invalid peer certificate: certificate expired: verification time 1795311604 (UNIX)",
    ),
    "clock-skew",
    "its certificate is refused: it has ended by this machine's clock (certificate expired: verification time 1795311604 (UNIX))",
  ],
  [
    new Error("invalid peer certificate: NotValidYet"),
    "clock-skew",
    "its certificate is refused: it has not begun by this machine's clock (NotValidYet)",
  ],
  [
    new Error("invalid peer certificate: UnknownIssuer"),
    "tls",
    "its certificate is refused: it is not under the root that is trusted here (UnknownIssuer)",
  ],
  [
    new Error("invalid peer certificate: BadSignature"),
    "tls",
    "its certificate is refused: the key of the root that is trusted here did not sign it (BadSignature)",
  ],
  [
    new Error(
      "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
    ),
    "tls",
    "its certificate is refused: it is an authority's, wanted one that is no authority's (Other(OtherError(CaUsedAsEndEntity)))",
  ],
  [
    new Error("invalid peer certificate: NotValidForName"),
    "tls",
    "its certificate is refused: it is for other names, wanted the one that was asked for (NotValidForName)",
  ],
  [
    new Error(
      'invalid peer certificate: certificate not valid for name "a.example"; certificate is only valid for DnsName("b.example")',
    ),
    "tls",
    'its certificate is refused: it is for other names, wanted the one that was asked for (certificate not valid for name "a.example"; certificate is only valid for DnsName("b.example"))',
  ],
  [
    new Error("invalid peer certificate: InvalidPurpose"),
    "tls",
    "its certificate is refused: it is for another purpose, wanted one for servers (InvalidPurpose)",
  ],
  [
    new Error("invalid peer certificate: BadEncoding"),
    "tls",
    "its certificate is refused: BadEncoding",
  ],
  [
    // The word alone is no reason to be mild
    new Error("invalid peer certificate: Other(Expired)"),
    "tls",
    "its certificate is refused: Other(Expired)",
  ],
  [
    new Error("received fatal alert: CertificateRequired"),
    "tls",
    "it refuses, with TLS alert CertificateRequired",
  ],
  [
    new Error("received corrupt message of type InvalidContentType"),
    "tls",
    "it does not speak TLS",
  ],
  [new Error("something new"), "tls", "something new"],
];

Deno.test("tlsError() gives each failure its code and a text", () => {
  for (const [cause, code, found] of CASES) {
    const error = tlsError(attempt, cause);
    assertEquals(error.code, code, cause.message);
    assertEquals(error.message, `Cannot connect to 10.0.0.5:2377: ${found}`);
    assertStrictEquals(error.cause, cause);
  }
});

Deno.test("tlsError() takes what is no error, and keeps what is classified", () => {
  assertEquals(tlsError(attempt, "odd").code, "tls");
  const known = new SwarmdError("too-busy", "Cannot");
  assertStrictEquals(tlsError(attempt, known), known);
});

Deno.test("errnoOf() reads the system's code", () => {
  assertEquals(errnoOf(systemError("EPIPE", "x")), "EPIPE");
  assertEquals(errnoOf(new Error("x")), "");
  assertEquals(errnoOf("EPIPE"), "");
});
