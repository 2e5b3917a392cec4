import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, utf8 } from "../../lib/base/bytes.ts";
import { readAnswer } from "../../lib/net/http_answer.ts";

function answer(head: string, body: Uint8Array = new Uint8Array()): Bytes {
  return concat(utf8(`${head}\r\n\r\n`), body);
}

function chunked(parts: readonly Uint8Array[], extension = ""): Bytes {
  return concat(
    ...parts.flatMap((part) => [
      utf8(`${part.length.toString(16)}${extension}\r\n`),
      part,
      utf8("\r\n"),
    ]),
    utf8("0\r\n\r\n"),
  );
}

const OK = "HTTP/1.1 200 OK";

Deno.test("readAnswer() reads a body in each of its three forms", () => {
  const body = utf8('{"a":1}');
  assertEquals(readAnswer(answer(OK, body)), { status: 200, body });
  assertEquals(
    readAnswer(answer(`${OK}\r\nX: y\r\ncontent-LENGTH:  7 `, body)),
    { status: 200, body },
  );
  assertEquals(
    readAnswer(
      answer("HTTP/1.0 404\r\nTransfer-Encoding: Chunked", chunked([body])),
    ),
    { status: 404, body },
  );
});

Deno.test("readAnswer() refuses what is cut off, padded or no final answer", () => {
  const body = utf8("abc");
  const coding = `${OK}\r\nTransfer-Encoding: chunked`;
  const cases: Record<string, Bytes> = {
    "nothing": utf8(""),
    "no end of the head": utf8(`${OK}\r\nA: b\r\n`),
    "another protocol": answer("SSH-2.0-x", body),
    "HTTP/2": answer("HTTP/2 200 OK", body),
    "an informational answer": answer("HTTP/1.1 100 Continue", body),
    "a status of no sense": answer("HTTP/1.1 2000", body),
    "a head that is not UTF-8": answer(OK, body).with(9, 0xff),
    "a header without a name": answer(`${OK}\r\n: x`, body),
    "less than declared": answer(`${OK}\r\nContent-Length: 4`, body),
    "more than declared": answer(`${OK}\r\nContent-Length: 2`, body),
    "a negative length": answer(`${OK}\r\nContent-Length: -3`, body),
    "two lengths": answer(
      `${OK}\r\nContent-Length: 3\r\nContent-Length: 3`,
      body,
    ),
    "another coding": answer(`${OK}\r\nTransfer-Encoding: gzip`, body),
    "no last chunk": answer(coding, utf8("3\r\nabc\r\n")),
    "half a chunk": answer(coding, utf8("4\r\nabc")),
    "a chunk without a size": answer(coding, utf8("\r\nabc\r\n0\r\n\r\n")),
    "a size of no sense": answer(coding, utf8("-3\r\nabc\r\n0\r\n\r\n")),
    "a size above all": answer(coding, utf8("ffffffff\r\nabc")),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    assertThrows(() => readAnswer(bytes), SyntaxError, "", name);
  }
});

Deno.test("readAnswer() puts any chunks together, and notices any cut", () => {
  const head = answer(`${OK}\r\nTransfer-Encoding: chunked`);
  const part = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 6 }),
      fc.constantFrom("", ";a=b", " "),
      fc.nat(),
      (parts, extension, cut) => {
        const whole = concat(head, chunked(parts, extension));
        assertEquals(readAnswer(whole).body, concat(...parts));
        // The last line end is not waited for
        const length = cut % (whole.length - 2);
        assertThrows(() => readAnswer(whole.slice(0, length)), SyntaxError);
      },
    ),
  );
});

Deno.test("readAnswer() throws nothing but a SyntaxError", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    for (const all of [bytes, concat(utf8(`${OK}\r\n`), bytes)]) {
      try {
        assert(readAnswer(all).status >= 200);
      } catch (error) {
        assert(error instanceof SyntaxError, String(error));
      }
    }
  }));
});
