import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type ErrorCode, SwarmdError } from "../../lib/base/errors.ts";
import { EXIT_OF, exitNumber } from "../../lib/cli/exit_codes.ts";
import { reportFailure } from "../../lib/cli/failure.ts";
import { FakeHost } from "./fake_host.ts";

const QUIET = { debug: false };
const BUG_HINT =
  "swarmd: hint: This is a mistake in swarmd: please report it with what --log-level debug shows\n";

async function reported(error: unknown, options = QUIET) {
  const { output, stdout, stderr } = new FakeHost();
  const code = reportFailure(error, output, options);
  await output.flush();
  assertEquals(stdout.text, "");
  return { code, stderr: stderr.text };
}

Deno.test("reportFailure() gives every error code its exit code", async () => {
  for (const [code, name] of Object.entries(EXIT_OF)) {
    const error = new SwarmdError(code as ErrorCode, "Cannot");
    assertEquals((await reported(error)).code, exitNumber(name), code);
  }
});

Deno.test("reportFailure() writes the error and its hint", async () => {
  const cause = new Error("connection refused");
  const error = new SwarmdError(
    "unreachable",
    "Cannot reach 10.0.0.5:2377: nobody listens",
    {
      hint: "Is it running?",
      cause,
    },
  );
  assertEquals(await reported(error), {
    code: 10,
    stderr:
      "swarmd: error: Cannot reach 10.0.0.5:2377: nobody listens\nswarmd: hint: Is it running?\n",
  });
});

Deno.test("reportFailure() says that an unforeseen error is a mistake of the program", async () => {
  for (const error of [new TypeError("x is undefined"), "thrown", undefined]) {
    const { code, stderr } = await reported(error);
    assertEquals(code, 1);
    const text = error instanceof Error ? error.message : String(error);
    assertEquals(stderr, `swarmd: error: internal: ${text}\n${BUG_HINT}`);
  }
});

Deno.test("reportFailure() shows stacks, of causes too, in debug only", async () => {
  const cause = new RangeError("deep");
  const error = new SwarmdError("disk", "Cannot write", { cause });
  assert(!(await reported(error)).stderr.includes("    at "));
  const { code, stderr } = await reported(error, { debug: true });
  assertEquals(code, 8);
  assertStringIncludes(stderr, "SwarmdError: Cannot write\n    at ");
  assertStringIncludes(stderr, "Caused by:\nRangeError: deep\n    at ");
  const internal = await reported(new TypeError("bug"), { debug: true });
  assert(!internal.stderr.includes("please report"));
});
