import { assert, assertEquals } from "@std/assert";
import { type Bytes, utf8 } from "../../lib/base/bytes.ts";
import { hasCode } from "../../lib/base/errors.ts";
import {
  type Connection,
  type ConnectionHandler,
  MAX_FRAME,
  MAX_GREETING_FRAME,
} from "../../lib/rpc/connection.ts";

/** The two ends of one connection, neither started nor admitted. */
export interface ConnectionPair {
  readonly near: Connection;
  readonly far: Connection;
  /** Called when both ends are closed. */
  readonly dispose: () => Promise<void>;
}

/** What happened on one end. */
export class Recorder implements ConnectionHandler {
  readonly messages: Bytes[] = [];
  readonly #closed = Promise.withResolvers<unknown>();
  readonly #waiting: { count: number; resolve: () => void }[] = [];
  closedCalls = 0;

  message(payload: Bytes): void {
    this.messages.push(payload);
    for (const { count, resolve } of this.#waiting) {
      if (this.messages.length >= count) resolve();
    }
  }

  closed(error?: unknown): void {
    this.closedCalls += 1;
    this.#closed.resolve(error);
  }

  /** The error that the end came with, or undefined. */
  get ended(): Promise<unknown> {
    return this.#closed.promise;
  }

  received(count: number): Promise<void> {
    if (this.messages.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}

/** Starts an end and records it. */
export function record(connection: Connection): Recorder {
  const recorder = new Recorder();
  connection.start(recorder);
  return recorder;
}

/** What `Connection` promises, for the near end of a pair. */
const CONTRACT: Readonly<
  Record<string, (pair: ConnectionPair) => Promise<void>>
> = {
  "send() delivers frames whole and in order, both ways": async (
    { near, far },
  ) => {
    const [ours, theirs] = [record(near), record(far)];
    const sent = [1, 2, 1_000, 16_384, 65_000, 65_536, 3].map(payload);
    for (const each of sent) near.send(each);
    for (const each of sent) far.send(each);
    await Promise.all([ours.received(7), theirs.received(7)]);
    assertEquals(theirs.messages, sent);
    assertEquals(ours.messages, sent);
  },

  "send() takes what was queued off queuedBytes": async ({ near, far }) => {
    const [ours, theirs] = [record(near), record(far)];
    for (let i = 0; i < 20; i++) near.send(payload(50_000));
    await theirs.received(20);
    far.send(utf8("read"));
    await ours.received(1);
    assertEquals(near.queuedBytes, 0);
  },

  "start() gets the frames that came before": async ({ near, far }) => {
    const theirs = record(far);
    far.send(utf8("one"));
    far.send(utf8("two"));
    near.send(utf8("ready"));
    await theirs.received(1);
    const ours = record(near);
    far.send(utf8("three"));
    await ours.received(3);
    assertEquals(ours.messages, ["one", "two", "three"].map(utf8));
  },

  "message() refuses a long frame from who is not admitted": async (
    { near, far },
  ) => {
    const [ours] = [record(near), record(far)];
    far.send(payload(MAX_GREETING_FRAME));
    far.send(payload(MAX_GREETING_FRAME + 1));
    const error = await ours.ended;
    assert(hasCode(error, "bad-frame"), String(error));
    assert(ours.messages.length <= 1);
  },

  "unreadable() may answer what is no frame, and is told no more": async (
    { near, far },
  ) => {
    const ours = new Recorder();
    const errors: unknown[] = [];
    near.start({
      message: (payload) => ours.message(payload),
      closed: (error) => ours.closed(error),
      unreadable: (error) => {
        errors.push(error);
        near.send(utf8("that was no frame"));
        near.close();
      },
    });
    const theirs = record(far);
    far.send(payload(MAX_GREETING_FRAME + 1));
    far.send(utf8("more"));
    await theirs.received(1);
    await ours.ended;
    assertEquals(errors.map((error) => hasCode(error, "bad-frame")), [true]);
    assertEquals(ours.messages, []);
  },

  "keep() lets no longer frames through": async ({ near, far }) => {
    const [ours] = [record(near), record(far)];
    near.keep();
    far.send(payload(MAX_GREETING_FRAME));
    await ours.received(1);
    far.send(payload(MAX_GREETING_FRAME + 1));
    assert(hasCode(await ours.ended, "bad-frame"));
  },

  "admit() lets frames of 1 MiB through and no longer ones": async (
    { near, far },
  ) => {
    const [ours] = [record(near), record(far)];
    near.admit();
    far.send(payload(MAX_FRAME));
    await ours.received(1);
    assertEquals(ours.messages[0]?.length, MAX_FRAME);
    far.send(payload(MAX_FRAME + 1));
    assert(hasCode(await ours.ended, "bad-frame"));
  },

  "close() sends what is queued, then ends both": async ({ near, far }) => {
    const [ours, theirs] = [record(near), record(far)];
    const sent = Array.from({ length: 100 }, (_, i) => payload(1_000 + i));
    for (const each of sent) near.send(each);
    near.close();
    near.send(utf8("late"));
    assertEquals(await theirs.ended, undefined);
    assertEquals(await ours.ended, undefined);
    assertEquals(theirs.messages, sent);
  },

  "close() before start() ends too": async ({ near, far }) => {
    const theirs = record(far);
    near.send(utf8("good bye"));
    near.close();
    await theirs.ended;
    assertEquals(theirs.messages, [utf8("good bye")]);
    await record(near).ended;
  },

  "close() on both ends at once ends both in order": async ({ near, far }) => {
    const [ours, theirs] = [record(near), record(far)];
    near.close();
    far.close();
    assertEquals(await ours.ended, undefined);
    assertEquals(await theirs.ended, undefined);
  },

  "closed() comes once, later than destroy() returns": async (
    { near, far },
  ) => {
    const [ours, theirs] = [record(near), record(far)];
    await turn();
    near.destroy();
    assertEquals(ours.closedCalls, 0);
    near.destroy();
    near.close();
    assertEquals(await ours.ended, undefined);
    await theirs.ended;
    await turn();
    assertEquals([ours.closedCalls, theirs.closedCalls], [1, 1]);
  },

  "closed() comes once when destroy() follows start() at once": async (
    { near },
  ) => {
    const ours = record(near);
    near.destroy();
    assertEquals(ours.closedCalls, 0);
    await ours.ended;
    await turn();
    assertEquals(ours.closedCalls, 1);
  },

  "closed() comes to who starts after the end, later": async (
    { near, far },
  ) => {
    record(far);
    near.destroy();
    await turn();
    const ours = record(near);
    assertEquals(ours.closedCalls, 0);
    assertEquals(await ours.ended, undefined);
  },

  "message() is not called after destroy()": async ({ near, far }) => {
    record(far);
    const ours = new Recorder();
    near.start({
      message: (each) => {
        ours.message(each);
        near.destroy();
      },
      closed: () => ours.closed(),
    });
    for (let i = 0; i < 50; i++) far.send(payload(10));
    await ours.ended;
    await turn();
    assertEquals(ours.messages.length, 1);
  },

  "message() that throws ends the connection with the error": async (
    { near, far },
  ) => {
    const fault = new Error("fault");
    const ours = new Recorder();
    record(far);
    near.start({
      message: () => {
        throw fault;
      },
      closed: (error) => ours.closed(error),
    });
    far.send(utf8("x"));
    assertEquals(await ours.ended, fault);
  },

  "send() does nothing after the end": async ({ near, far }) => {
    const [ours, theirs] = [record(near), record(far)];
    far.destroy();
    await Promise.all([ours.ended, theirs.ended]);
    near.send(utf8("late"));
    near.close();
    assertEquals(near.queuedBytes, 0);
    assertEquals(theirs.messages, []);
  },
};

/** Holds one kind of connection to the contract. Run it for both ends. */
export function testConnectionContract(
  name: string,
  open: () => Promise<ConnectionPair>,
): void {
  for (const [what, run] of Object.entries(CONTRACT)) {
    Deno.test(`${name} ${what}`, async () => {
      const pair = await open();
      try {
        await run(pair);
      } finally {
        pair.near.destroy();
        pair.far.destroy();
        await pair.dispose();
      }
    });
  }
}

/** Bytes that differ from frame to frame. */
function payload(length: number): Bytes {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + length) & 0xff;
  return bytes;
}

/** Lets everything happen that is ready to. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
