import { assertEquals } from "@std/assert";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import { errorBody, httpStatus } from "../../lib/rpc/status.ts";

Deno.test("httpStatus() says who is to blame", () => {
  const cases: Readonly<Record<number, readonly ErrorCode[]>> = {
    400: ["usage", "bad-message", "csr-refused"],
    401: ["anonymous"],
    // Who the caller is, is known, and is not enough.
    403: [
      "unverified-chain",
      "foreign-cluster",
      "unknown-node",
      "removed",
      "suspended",
      "replaced",
      "expired",
      "not-yet-valid",
      "newer-than-store",
      "resumed",
      "role",
      "not-owner",
      "token-refused",
    ],
    404: ["not-found", "unknown-method"],
    409: ["conflict"],
    412: ["precondition"],
    429: ["too-busy"],
    500: ["internal", "disk", "damaged-state"],
    501: ["not-supported"],
    503: ["issuer-ending", "signer-unavailable", "not-initialised"],
  };
  for (const [status, codes] of Object.entries(cases)) {
    for (const code of codes) {
      assertEquals(httpStatus(code), Number(status), code);
    }
  }
});

Deno.test("errorBody() tells what the error says on purpose, and no more", () => {
  const error = new SwarmdError("role", "Cannot: no", {
    verdict: "stop",
    hint: "Do that",
    data: { a: 1 },
    cause: new Error("secret"),
  });
  assertEquals(errorBody(error), {
    error: {
      code: "role",
      message: "Cannot: no",
      verdict: "stop",
      hint: "Do that",
      data: { a: 1 },
    },
  });
  assertEquals(errorBody(new SwarmdError("disk", "x")), {
    error: { code: "disk", message: "x", verdict: "retry", data: {} },
  });
});
