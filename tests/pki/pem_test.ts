import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decodePem, encodePem } from "../../lib/pki/pem.ts";

const BLOCK = encodePem("CERTIFICATE", new Uint8Array(60).fill(7));

Deno.test("encodePem() wraps at 64 characters and ends with a line end", () => {
  const lines = BLOCK.split("\n");
  assertEquals(lines[0], "-----BEGIN CERTIFICATE-----");
  assertEquals(lines[1]?.length, 64);
  assertEquals(lines[2]?.length, 16);
  assertEquals(lines.slice(3), ["-----END CERTIFICATE-----", ""]);
});

Deno.test("decodePem() reads back what encodePem() wrote", () => {
  const blocks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(fc.property(blocks, fc.constantFrom("\n", "\r\n"), (ders, end) => {
    const text = ders.map((der) => encodePem("X", der)).join("\n")
      .replaceAll("\n", end);
    assertEquals(decodePem(text, "X"), ders.map((der) => new Uint8Array(der)));
  }));
});

Deno.test("decodePem() refuses everything else", () => {
  const table: [what: string, text: string][] = [
    ["nothing", ""],
    ["white space", " \n\t\n"],
    ["another label", BLOCK.replaceAll("CERTIFICATE", "PRIVATE KEY")],
    ["text before", `subject=x\n${BLOCK}`],
    ["text after", `${BLOCK}x\n`],
    ["no end", BLOCK.replace(/-----END.*\n/, "")],
    ["another end", BLOCK.replace("END CERTIFICATE", "END X")],
    ["empty block", BLOCK.replace(/\n[A-Za-z0-9+/=\n]+\n/, "\n")],
    ["short line", BLOCK.replace(/\n(.{32})/, "\n$1\n")],
    ["space in a line", BLOCK.replace(/\n.{4}/, "\nBw c")],
    ["header", BLOCK.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n")],
    [
      "not canonical",
      encodePem("CERTIFICATE", Uint8Array.of(1)).replace("AQ==", "AR=="),
    ],
    [
      "bad padding",
      encodePem("CERTIFICATE", Uint8Array.of(1)).replace("AQ==", "AQ="),
    ],
    ["too long", BLOCK + "\n".repeat(1 << 20)],
  ];
  for (const [what, text] of table) {
    assertThrows(() => decodePem(text, "CERTIFICATE"), SyntaxError, "", what);
  }
});

Deno.test("decodePem() never quotes its input", () => {
  const text = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY";
  const error = assertThrows(() => decodePem(text, "PRIVATE KEY"), SyntaxError);
  assertFalse(error.message.includes("c2VjcmV0"));
});

/** The one text of the blocks that a text holds. */
function normalise(text: string): string {
  return decodePem(text, "CERTIFICATE")
    .map((der) => encodePem("CERTIFICATE", der)).join("");
}

Deno.test("decodePem() reads the white space around blocks as nothing", () => {
  const forms = [
    BLOCK,
    `\n\n${BLOCK}\n`,
    BLOCK.replaceAll("\n", "\r\n"),
    BLOCK.trim(),
  ];
  for (const form of forms) assertEquals(normalise(form), BLOCK);
  assertEquals(normalise(`${BLOCK}\n${BLOCK}`), BLOCK + BLOCK);
});

Deno.test("decodePem() gives a normal form or throws SyntaxError for any change", () => {
  fc.assert(
    fc.property(fc.nat(BLOCK.length - 1), fc.nat(127), (at, code) => {
      const text = BLOCK.slice(0, at) + String.fromCharCode(code) +
        BLOCK.slice(at + 1);
      try {
        const white = text.replace(/\s+/g, "\n").trim();
        const normal = normalise(text).replace(/\s+/g, "\n").trim();
        assertEquals(normal.replaceAll("\n", " "), white.replaceAll("\n", " "));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
});
