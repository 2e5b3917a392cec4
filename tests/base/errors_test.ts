import { assertEquals, assertInstanceOf } from "@std/assert";
import { describeError, hasCode, SwarmdError } from "../../lib/base/errors.ts";

Deno.test("SwarmdError tells to retry unless it is told otherwise", () => {
  const error = new SwarmdError("disk", "Cannot write state: no space");
  assertInstanceOf(error, Error);
  assertEquals(error.name, "SwarmdError");
  assertEquals(error.code, "disk");
  assertEquals(error.verdict, "retry");
  assertEquals(error.hint, undefined);
  assertEquals(error.data, {});
  assertEquals("cause" in error, false);
});

Deno.test("SwarmdError keeps what it is given", () => {
  const cause = new TypeError("underneath");
  const error = new SwarmdError("removed", "Cannot connect: node is removed", {
    verdict: "stop",
    hint: "Join anew",
    data: { node: "a" },
    cause,
  });
  assertEquals(error.verdict, "stop");
  assertEquals(error.hint, "Join anew");
  assertEquals(error.data, { node: "a" });
  assertEquals(error.cause, cause);
});

Deno.test("hasCode() knows the codes of its own class only", () => {
  const error = new SwarmdError("expired", "Cannot connect");
  const cases = [
    [hasCode(error, "expired"), true],
    [hasCode(error, "removed", "expired"), true],
    [hasCode(error, "removed"), false],
    [hasCode(error), false],
    [
      hasCode(Object.assign(new Error(), { code: "expired" }), "expired"),
      false,
    ],
    [hasCode({ code: "expired" }, "expired"), false],
    [hasCode(undefined, "expired"), false],
  ] as const;
  for (const [found, want] of cases) assertEquals(found, want);
});

Deno.test("describeError() goes down the causes, whatever was thrown", () => {
  const root = new Error("no space");
  const middle = new SwarmdError("disk", "Cannot write", { cause: root });
  const cases = [
    [
      new Error("Cannot start", { cause: middle }),
      "Cannot start: Cannot write: no space",
    ],
    [new Error("Cannot start", { cause: "text" }), "Cannot start: text"],
    [root, "no space"],
    ["text", "text"],
    [undefined, "undefined"],
    [7, "7"],
  ] as const;
  for (const [thrown, want] of cases) assertEquals(describeError(thrown), want);
});
