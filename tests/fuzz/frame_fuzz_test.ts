import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { type Bytes, concat } from "../../lib/base/bytes.ts";
import { hasCode } from "../../lib/base/errors.ts";
import { encodeFrame, FrameDecoder } from "../../lib/rpc/frame.ts";
import { SeededRandom } from "../fakes/random.ts";
import { fuzzSeed } from "./seed.ts";

const LIMIT = 64;

Deno.test("FrameDecoder.push() yields bounded frames or bad-frame on any bytes", () => {
  const random = new SeededRandom(fuzzSeed("frame fuzz"));
  for (let run = 0; run < 3_000; run++) {
    const stream = mutate(frames(random), random);
    const whole = decode([stream]);
    const cut = decode(cuts(stream, random));
    for (const payload of whole.payloads) {
      assertLessOrEqual(payload.length, LIMIT);
      assert(payload.length > 0);
    }
    // How it is cut changes neither whether it fails nor what it says.
    assertEquals(cut.error, whole.error);
    if (whole.error === undefined) {
      assertEquals(cut.payloads, whole.payloads);
      // What was accepted is exactly what the encoder would write.
      const again = concat(...whole.payloads.map(encodeFrame));
      assertEquals(again, stream.slice(0, again.length));
    }
  }
});

function frames(random: SeededRandom): Bytes {
  const count = random.integer(6);
  const payloads = Array.from(
    { length: count },
    () => encodeFrame(random.bytes(1 + random.integer(LIMIT))),
  );
  return concat(...payloads);
}

function mutate(stream: Bytes, random: SeededRandom): Bytes {
  const changed = stream.slice();
  for (let i = random.integer(4); i > 0 && changed.length > 0; i--) {
    changed[random.integer(changed.length)] = random.integer(256);
  }
  const end = random.integer(4) === 0
    ? random.integer(changed.length + 1)
    : changed.length;
  return changed.slice(0, end);
}

function cuts(stream: Bytes, random: SeededRandom): Bytes[] {
  const chunks: Bytes[] = [];
  for (let at = 0; at < stream.length;) {
    const end = at + 1 + random.integer(20);
    chunks.push(stream.slice(at, end));
    at = end;
  }
  return chunks;
}

function decode(chunks: Bytes[]): { payloads: Bytes[]; error?: string } {
  const decoder = new FrameDecoder(LIMIT);
  const payloads: Bytes[] = [];
  try {
    for (const chunk of chunks) payloads.push(...decoder.push(chunk));
  } catch (error) {
    assert(hasCode(error, "bad-frame"));
    return { payloads, error: String(error) };
  }
  return { payloads };
}
