import { assert, assertEquals, assertRejects } from "@std/assert";
import { LineWriter } from "../../lib/observe/line_writer.ts";

const MEBIBYTE = 1 << 20;

/** Takes half of what it is given, and nothing before it is opened. */
class SlowSink {
  readonly #decoder = new TextDecoder();
  readonly #opened = Promise.withResolvers<void>();
  text = "";

  open(): void {
    this.#opened.resolve();
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#opened.promise;
    const taken = bytes.subarray(0, Math.ceil(bytes.length / 2));
    this.text += this.#decoder.decode(taken, { stream: true });
    return taken.length;
  }
}

/** Fails once it has taken so many writes. */
class FailingSink {
  writes = 0;
  readonly #error: Error;
  readonly #after: number;

  constructor(error: Error, after: number) {
    this.#error = error;
    this.#after = after;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.writes++ >= this.#after) return Promise.reject(this.#error);
    return Promise.resolve(bytes.length);
  }
}

Deno.test("LineWriter writes texts whole and in order when the sink takes parts", async () => {
  const sink = new SlowSink();
  const writer = new LineWriter(sink);
  const written = writer.write("first line\n");
  assert(writer.post("second line\n"));
  assertEquals(sink.text, "");
  sink.open();
  await written;
  assert(sink.text.startsWith("first line\n"));
  await writer.flush(1_000);
  assertEquals(sink.text, "first line\nsecond line\n");
});

Deno.test("post() drops when a mebibyte waits, and takes again afterwards", async () => {
  const sink = new SlowSink();
  const writer = new LineWriter(sink);
  const big = writer.write("x".repeat(MEBIBYTE + 1));
  assert(!writer.post("dropped\n"));
  const data = writer.write("data is never dropped\n");
  sink.open();
  await Promise.all([big, data]);
  assert(writer.post("taken\n"));
  await writer.flush(1_000);
  assert(sink.text.endsWith("xdata is never dropped\ntaken\n"));
});

Deno.test("flush() gives up on a reader that reads nothing", async () => {
  const sink = new SlowSink();
  const writer = new LineWriter(sink);
  writer.post("nobody reads this\n");
  await writer.flush(1);
  assertEquals(sink.text, "");
  sink.open();
  await writer.flush(1_000);
});

Deno.test("LineWriter discards everything when the reader has gone", async () => {
  const sink = new FailingSink(new Deno.errors.BrokenPipe("gone"), 1);
  const writer = new LineWriter(sink);
  await writer.write("read\n");
  await writer.write("not read\n");
  await writer.write("nor this\n");
  assert(writer.post("nor that\n"));
  await writer.flush(1_000);
  assertEquals(sink.writes, 2);
});

Deno.test("write() throws the sink's error and later texts are still tried", async () => {
  const sink = new FailingSink(new Error("disk full"), 0);
  const writer = new LineWriter(sink);
  await assertRejects(() => writer.write("data\n"), Error, "disk full");
  assert(writer.post("message\n"));
  await writer.flush(1_000);
  assertEquals(sink.writes, 2);
});
