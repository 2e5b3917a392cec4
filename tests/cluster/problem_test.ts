import { assertEquals } from "@std/assert";
import { MAX_PROBLEM, problemText } from "../../lib/cluster/problem.ts";

Deno.test("problemText() says on one printable line of bounded length what went wrong", () => {
  const long = "x".repeat(1_000);
  const cases: [unknown, string][] = [
    [new Error("Disk full"), "Disk full"],
    [new Error("a", { cause: new Error("b") }), "a: b"],
    [new Error("one\n\ttwo\x1b[31m"), "one two [31m"],
    [new Error("Größe \u202e"), "Gr??e ?"],
    [new Error(long), `${"x".repeat(MAX_PROBLEM - 3)}...`],
    [new Error(""), "unknown"],
    ["\n", "unknown"],
  ];
  for (const [cause, text] of cases) assertEquals(problemText(cause), text);
});
