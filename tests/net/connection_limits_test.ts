import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  ConnectionLimits,
  DEFAULT_LIMITS,
  type LimitOptions,
} from "../../lib/net/connection_limits.ts";
import { prefixOf } from "../../lib/rpc/address_prefix.ts";
import { FakeClock } from "../fakes/clock.ts";

const SMALL: LimitOptions = {
  ratePerSecond: 2,
  burst: 3,
  maxAnonymous: 4,
  maxBuckets: 2,
};
const OPEN = { ...SMALL, maxAnonymous: 1_000 };

function arrivals(
  limits: ConnectionLimits<number>,
  { from, count, address }: { from: number; count: number; address: string },
): number {
  let accepted = 0;
  for (let id = from; id < from + count; id++) {
    if (limits.arrive(id, address).accepted) accepted += 1;
  }
  return accepted;
}

Deno.test("arrive() lets a burst through, then the rate", async () => {
  const clock = new FakeClock();
  const limits = new ConnectionLimits<number>(clock, OPEN);
  assertEquals(
    arrivals(limits, { from: 0, count: 10, address: "10.0.0.1" }),
    3,
  );
  await clock.advance(499);
  assertEquals(
    arrivals(limits, { from: 10, count: 5, address: "10.0.0.1" }),
    0,
  );
  await clock.advance(1);
  assertEquals(
    arrivals(limits, { from: 20, count: 5, address: "10.0.0.1" }),
    1,
  );
  await clock.advance(60_000);
  assertEquals(
    arrivals(limits, { from: 30, count: 9, address: "10.0.0.1" }),
    3,
  );
});

Deno.test("arrive() holds 2,000 a second from one address to 200 by default", async () => {
  const clock = new FakeClock();
  const limits = new ConnectionLimits<number>(clock);
  let accepted = 0;
  for (let id = 0; id < 20_000; id++) {
    if (limits.arrive(id, "10.0.0.1").accepted) accepted += 1;
    limits.leave(id);
    await clock.advance(0.5);
  }
  const expected = DEFAULT_LIMITS.burst + 10 * DEFAULT_LIMITS.ratePerSecond;
  assert(Math.abs(accepted - expected) <= 1, `${accepted}`);
});

Deno.test("arrive() counts addresses apart, and a /64 together", () => {
  const limits = new ConnectionLimits<number>(new FakeClock(), {
    ...OPEN,
    maxBuckets: 100,
  });
  const cases = [
    ["10.0.0.1", 3],
    ["10.0.0.2", 3],
    ["2001:db8:0:1::1", 3],
    ["2001:db8:0:1:ffff::2", 0],
    ["2001:db8:0:2::1", 3],
    ["10.0.0.1", 0],
  ] as const;
  for (const [i, [address, want]] of cases.entries()) {
    assertEquals(
      arrivals(limits, { from: i * 10, count: 5, address }),
      want,
      address,
    );
  }
});

Deno.test("arrive() evicts the oldest stranger when there are too many", () => {
  const limits = new ConnectionLimits<number>(new FakeClock(), {
    ...SMALL,
    burst: 100,
  });
  arrivals(limits, { from: 1, count: 4, address: "10.0.0.1" });
  limits.admit(1);
  assertEquals(limits.arrive(5, "10.0.0.1"), { accepted: true });
  assertEquals(limits.arrive(6, "10.0.0.1"), { accepted: true, evicted: 2 });
  limits.leave(3);
  assertEquals(limits.arrive(7, "10.0.0.1"), { accepted: true });
  assertEquals(limits.arrive(8, "10.0.0.1"), { accepted: true, evicted: 4 });
  assertEquals(limits.anonymous, 4);
});

Deno.test("admit() gives the token back, once", () => {
  const limits = new ConnectionLimits<number>(new FakeClock(), OPEN);
  for (let id = 0; id < 100; id++) {
    assert(limits.arrive(id, "10.0.0.1").accepted, `${id}`);
    limits.admit(id);
    limits.admit(id);
  }
  assertEquals(
    arrivals(limits, { from: 200, count: 9, address: "10.0.0.1" }),
    3,
  );
});

Deno.test("admit() of who was never seen, or has left, gives nothing", () => {
  const limits = new ConnectionLimits<number>(new FakeClock(), OPEN);
  arrivals(limits, { from: 0, count: 3, address: "10.0.0.1" });
  limits.admit(77);
  limits.leave(1);
  limits.admit(1);
  assertEquals(arrivals(limits, { from: 9, count: 9, address: "10.0.0.1" }), 0);
});

Deno.test("keep() counts a connection no longer, and gives no token back", () => {
  const limits = new ConnectionLimits<number>(new FakeClock(), SMALL);
  for (let id = 0; id < 3; id++) {
    assert(limits.arrive(id, "10.0.0.1").accepted, `${id}`);
    limits.keep(id);
    limits.keep(id);
  }
  assertEquals(limits.anonymous, 0);
  assertEquals(limits.arrive(3, "10.0.0.1"), { accepted: false });
  // Nor does it get it back as a node's, or at its end.
  limits.admit(0);
  limits.leave(1);
  assertEquals(limits.arrive(4, "10.0.0.1"), { accepted: false });
});

Deno.test("arrive() forgets addresses that have been idle", async () => {
  const clock = new FakeClock();
  const limits = new ConnectionLimits<number>(clock, {
    ...DEFAULT_LIMITS,
    maxAnonymous: 1e6,
  });
  for (let id = 0; id < 5_000; id++) {
    limits.arrive(id, `10.1.${id >> 8}.${id & 255}`);
  }
  assertEquals(limits.buckets, 5_000);
  await clock.advance(1_000);
  limits.arrive(-1, "10.9.9.9");
  assertEquals(limits.buckets, 1);
});

Deno.test("arrive() counts the addresses above the bound as one", () => {
  const limits = new ConnectionLimits<number>(new FakeClock(), OPEN);
  let accepted = 0;
  for (let id = 0; id < 1_000; id++) {
    accepted += arrivals(limits, { from: id, count: 1, address: `10.2.${id}` });
  }
  assertEquals(accepted, 2 + 3);
  assertEquals(limits.buckets, 3);
});

Deno.test("arrive() never holds more strangers or buckets than allowed", () => {
  const event = fc.record({
    kind: fc.constantFrom("arrive", "admit", "leave", "wait"),
    id: fc.nat(40),
    host: fc.nat(12),
  });
  fc.assert(fc.property(fc.array(event, { maxLength: 200 }), (events) => {
    const clock = new FakeClock();
    const limits = new ConnectionLimits<number>(clock, SMALL);
    const open = new Set<number>();
    let next = 0;
    for (const { kind, id, host } of events) {
      if (kind === "arrive") {
        const arrival = limits.arrive(next, `10.0.0.${host}`);
        if (arrival.accepted) open.add(next);
        if (arrival.accepted && arrival.evicted !== undefined) {
          assert(open.delete(arrival.evicted));
        }
        next += 1;
      } else if (kind === "admit") {
        limits.admit(id);
        open.delete(id);
      } else if (kind === "leave") {
        limits.leave(id);
        open.delete(id);
      } else void clock.advance(id * 20);
      assertEquals(limits.anonymous, open.size);
      assert(limits.anonymous <= SMALL.maxAnonymous);
      assert(limits.buckets <= SMALL.maxBuckets + 1);
    }
  }));
});

Deno.test("prefixOf() keeps an IPv4 address and half of an IPv6 address", () => {
  const cases = {
    "192.0.2.1": "192.0.2.1",
    "2001:db8:1:2:3:4:5:6": "20010db800010002",
    "2001:db8:1:2::": "20010db800010002",
    "::1": "0000000000000000",
    "": "",
  };
  for (const [address, want] of Object.entries(cases)) {
    assertEquals(prefixOf(address), want);
  }
});
