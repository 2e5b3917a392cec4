import { assertEquals, assertLess, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { encodeFrame, FrameDecoder } from "../../lib/rpc/frame.ts";
import { fuzzSeed } from "../fuzz/seed.ts";

function bytes(...values: number[]): Bytes {
  return Uint8Array.from(values);
}

Deno.test("encodeFrame() puts a big-endian length before the payload", () => {
  assertEquals(encodeFrame(bytes(7)), bytes(0, 0, 0, 1, 7));
  assertEquals(
    encodeFrame(new Uint8Array(0x010203)).subarray(0, 4),
    bytes(0, 1, 2, 3),
  );
});

Deno.test("encodeFrame() refuses an empty payload", () => {
  assertThrows(() => encodeFrame(bytes()), RangeError, "0 bytes");
});

Deno.test("FrameDecoder.push() returns what was framed however it is cut", () => {
  const chunks = fc.tuple(
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), {
      maxLength: 8,
    }),
    fc.array(fc.nat(40), { minLength: 1 }),
  );
  fc.assert(
    fc.property(chunks, ([payloads, sizes]) => {
      const stream = concat(...payloads.map((p) => encodeFrame(p.slice())));
      const decoder = new FrameDecoder(300);
      const found: Bytes[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length] ?? 0;
        // Sizes may all be zero.
        const end = i < 1000 ? at + size : stream.length;
        found.push(...decoder.push(stream.subarray(at, end)));
        at = end;
      }
      assertEquals(found, payloads.map((p) => p.slice()));
    }),
    { numRuns: 500, seed: fuzzSeed("frame round trip") },
  );
});

Deno.test("FrameDecoder.push() returns copies that outlive the chunk", () => {
  const decoder = new FrameDecoder(10);
  const chunk = concat(encodeFrame(bytes(1, 2)), bytes(0, 0, 0, 2, 3));
  const [first] = decoder.push(chunk);
  chunk.fill(9);
  const [second] = decoder.push(bytes(4));
  assertEquals([first, second], [bytes(1, 2), bytes(3, 4)]);
});

Deno.test("FrameDecoder.push() refuses a bad length when its header is complete", () => {
  const table: [header: Bytes, limit: number, found: string][] = [
    [bytes(0, 0, 0, 0), 10, "0 bytes, want 1 to 10"],
    [bytes(0, 0, 0, 11), 10, "11 bytes, want 1 to 10"],
    [bytes(0xff, 0xff, 0xff, 0xff), 1024, "4294967295 bytes, want 1 to 1024"],
    [bytes(0x80, 0, 0, 0), 1024, "2147483648 bytes, want 1 to 1024"],
    // "GET " and a TLS handshake record: somebody else's protocol.
    [bytes(0x47, 0x45, 0x54, 0x20), 65536, "1195725856 bytes"],
    [bytes(0x16, 0x03, 0x01, 0x02), 65536, "369295618 bytes"],
  ];
  for (const [header, limit, found] of table) {
    const decoder = new FrameDecoder(limit);
    assertEquals(decoder.push(header.subarray(0, 3)), []);
    const error = assertThrows(
      () => decoder.push(header.subarray(3)),
      SwarmdError,
      found,
    );
    assertEquals(error.code, "bad-frame");
  }
});

Deno.test("FrameDecoder.push() stays dead after an error", () => {
  const decoder = new FrameDecoder(10);
  assertThrows(() => decoder.push(bytes(0, 0, 0, 0)), SwarmdError);
  assertThrows(() => decoder.push(encodeFrame(bytes(1))), SwarmdError);
  assertThrows(() => decoder.push(bytes()), SwarmdError, "0 bytes");
});

Deno.test("FrameDecoder.limit holds from the next frame on", () => {
  const decoder = new FrameDecoder(4);
  assertEquals(decoder.push(bytes(0, 0, 0, 4, 1)), []);
  decoder.limit = 2;
  assertEquals(decoder.push(bytes(2, 3, 4)), [bytes(1, 2, 3, 4)]);
  assertThrows(
    () => decoder.push(bytes(0, 0, 0, 3)),
    SwarmdError,
    "want 1 to 2",
  );
});

Deno.test("FrameDecoder.limit lets larger frames in when it is raised", () => {
  const decoder = new FrameDecoder(1);
  decoder.limit = 3;
  assertEquals(decoder.push(encodeFrame(bytes(1, 2, 3))), [bytes(1, 2, 3)]);
});

/** Runs with a counter of the bytes that new arrays ask for. */
function allocated(run: () => void): number {
  const real = globalThis.Uint8Array;
  let sum = 0;
  globalThis.Uint8Array = new Proxy(real, {
    construct(target, [first, ...rest]: [unknown, ...unknown[]], self) {
      if (typeof first === "number") sum += first;
      return Reflect.construct(target, [first, ...rest], self);
    },
  });
  try {
    run();
  } finally {
    globalThis.Uint8Array = real;
  }
  return sum;
}

Deno.test("FrameDecoder.push() holds little when much is only announced", () => {
  const decoder = new FrameDecoder(1 << 20);
  const header = bytes(0, 0x10, 0, 0);
  const first = bytes(1);
  assertEquals(allocated(() => decoder.push(header)), 0);
  assertEquals(allocated(() => decoder.push(first)), 4096);
});

Deno.test("FrameDecoder.push() copies in linear time when bytes come one by one", () => {
  const size = 1 << 20;
  const frame = encodeFrame(new Uint8Array(size).fill(5));
  const decoder = new FrameDecoder(size);
  let payload: Bytes | undefined;
  const sum = allocated(() => {
    for (let i = 0; i < frame.length; i++) {
      payload ??= decoder.push(frame.subarray(i, i + 1))[0];
    }
  });
  assertEquals(payload, frame.slice(4));
  // 4 KiB, doubled up to the size: twice the size in all.
  assertLess(sum, 2 * size + 1);
});
