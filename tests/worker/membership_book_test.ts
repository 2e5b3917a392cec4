import { assertEquals } from "@std/assert";
import { formatEndpoint } from "../../lib/rpc/endpoint.ts";
import type { ErrorCode } from "../../lib/base/errors.ts";
import { MembershipBook } from "../../lib/worker/membership_book.ts";
import { WorkerState } from "../../lib/worker/state.ts";
import { CALM } from "../manager/house.ts";
import { SimDisk } from "../sim/sim_disk.ts";

async function open() {
  return (await openOn()).book;
}

async function openOn() {
  const disk = new SimDisk();
  const state = await WorkerState.load(disk.open(CALM));
  const membership = {
    cluster: "c",
    rootDigest: "sha256:ab",
    tokenId: "t",
    binding: "machine",
    seeds: ["seed:1"],
    managers: ["told:1", "seed:1"],
    issuedAt: 1,
    renewAt: 2,
  };
  const book = new MembershipBook(state, { nodeId: "n", membership });
  const stored = async () => (await WorkerState.load(disk.open(CALM))).of("n");
  return { book, stored };
}

function addresses(book: MembershipBook): string[] {
  return book.endpoints.map(formatEndpoint);
}

Deno.test("MembershipBook dials where it was last, then what the operator said, then what it was told", async () => {
  const book = await open();
  assertEquals(addresses(book), ["seed:1", "told:1"]);
  await book.connected({ host: "told", port: 1 }, "sha256:b");
  assertEquals(addresses(book), ["told:1", "seed:1"]);
});

Deno.test("MembershipBook takes a new list in place of the old, and keeps what the operator said", async () => {
  const book = await open();
  await book.learned(["a:1", "no address", "[::1]:2"]);
  assertEquals(addresses(book), ["seed:1", "a:1", "[::1]:2"]);
  // Nothing usable is no list.
  await book.learned([]);
  await book.learned(["no address"]);
  assertEquals(book.membership.managers, ["a:1", "[::1]:2"]);
});

Deno.test("MembershipBook remembers so many addresses and no more", async () => {
  const book = await open();
  await book.learned(Array.from({ length: 1_000 }, (_, i) => `m${i}:1`));
  assertEquals(book.membership.managers.length, 64);
});

Deno.test("MembershipBook remembers a refusal that lasts, until it is connected", async () => {
  const lasting: ErrorCode[] = ["unknown-node", "removed", "conflict"];
  const passing: ErrorCode[] = ["suspended", "tls", "expired", "too-busy"];
  for (const code of lasting) {
    const book = await open();
    await book.refused(code);
    assertEquals(book.membership.refused, code);
    await book.connected({ host: "a", port: 1 }, "sha256:b");
    assertEquals(book.membership.refused, undefined);
  }
  for (const code of passing) {
    const book = await open();
    await book.refused(code);
    assertEquals(book.membership.refused, undefined, code);
  }
});

Deno.test("MembershipBook writes when the next renewal is due once a manager answered", async () => {
  const { book, stored } = await openOn();
  const at = { host: "a", port: 1 };
  await book.connected(at, "sha256:b");
  book.renewed({ issuedAt: 3 }, 4);
  assertEquals(book.membership.renewAt, 4);
  assertEquals((await stored())?.renewAt, 2);
  await book.connected(at, "sha256:b");
  const { issuedAt, renewAt } = await stored() ?? {};
  assertEquals([issuedAt, renewAt], [3, 4]);
});

Deno.test("MembershipBook counts a generation once a manager answered under its bundle", async () => {
  const { book, stored } = await openOn();
  const at = { host: "a", port: 1 };
  await book.expects({ generation: 2, bundle: "sha256:two" });
  await book.connected(at, "sha256:one");
  assertEquals(book.membership.generation, undefined);
  assertEquals((await stored())?.next, { generation: 2, bundle: "sha256:two" });
  await book.connected(at, "sha256:two");
  assertEquals(book.membership.generation, 2);
  assertEquals(book.membership.next, undefined);
  assertEquals(await stored(), book.membership);
});

Deno.test("MembershipBook never counts a generation down", async () => {
  const { book } = await openOn();
  const at = { host: "a", port: 1 };
  await book.expects({ generation: 7, bundle: "sha256:seven" });
  await book.connected(at, "sha256:seven");
  for (const generation of [0, 3, 7]) {
    await book.expects({ generation, bundle: "sha256:less" });
    await book.connected(at, "sha256:less");
    assertEquals(book.membership.generation, 7);
  }
  // One that was given up, and comes back after a later one.
  await book.expects({ generation: 9, bundle: "sha256:nine" });
  await book.expects({ generation: 8, bundle: "sha256:eight" });
  await book.connected(at, "sha256:nine");
  assertEquals(book.membership.generation, 7);
  await book.connected(at, "sha256:eight");
  assertEquals(book.membership.generation, 8);
});
