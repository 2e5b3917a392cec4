import { assertEquals, assertRejects } from "@std/assert";
import { turn } from "../fakes/clock.ts";
import { newSession } from "./caller.ts";
import { House } from "./house.ts";

Deno.test("DrillDesk writes 1, 2, 3 into every session, and reads what comes back", async () => {
  const house = await House.open({ drill: true });
  const node = await house.addNode();
  const caller = house.connect(node.chain);
  await caller.hello(newSession(house.newId()));
  const stop = new AbortController();
  const running = house.drill.run(house.desk.sessions, stop.signal);
  await house.clock.advance(1_000);
  const numbers = caller.pushes("drill.number").map((p) => p["number"]);
  assertEquals(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const streams = caller.pushes("drill.number").map((p) => p["stream"]);
  assertEquals(new Set(streams).size, 1);
  const read = {
    received: 10,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    longestGapMs: 100,
  };
  const stream = house.newId();
  for (const [i, number] of [1, 2, 4].entries()) {
    const params = { stream, number, read };
    caller.send({ n: i + 1, method: "drill.number", params });
  }
  await turn();
  const [report] = house.drill.reports;
  assertEquals(report?.node, node.id);
  assertEquals(report?.written, 10);
  assertEquals([report?.read.received, report?.read.lost], [3, 1]);
  assertEquals([report?.theirWritten, report?.theirRead], [4, read]);
  assertEquals(report?.ended, false);
  stop.abort(new Error("over"));
  await assertRejects(() => running, Error, "over");
  // What is left is an ack.
  await house.clock.advance(200);
  assertEquals(house.clock.pending, 0);
});

Deno.test("DrillDesk.end() writes one more number, marked, and the worker's own last one ends the counts", async () => {
  const house = await House.open({ drill: true });
  const node = await house.addNode();
  const caller = house.connect(node.chain);
  await caller.hello(newSession(house.newId()));
  const stop = new AbortController();
  const running = house.drill.run(house.desk.sessions, stop.signal);
  await house.clock.advance(200);
  house.drill.end();
  await house.clock.advance(1_000);
  const written = caller.pushes("drill.number");
  assertEquals(written.map((p) => [p["number"], p["last"]]), [
    ...[[1, undefined], [2, undefined], [3, true]],
  ]);
  const read = {
    ...{ received: 3, lost: 0, duplicated: 0, reordered: 0 },
    longestGapMs: 100,
  };
  const params = { stream: house.newId(), number: 1, read, last: true };
  caller.send({ n: 1, method: "drill.number", params });
  await turn();
  const [report] = house.drill.reports;
  assertEquals([report?.ended, report?.written], [true, 3]);
  stop.abort(new Error("over"));
  await assertRejects(() => running, Error, "over");
  await house.clock.advance(200);
});
