import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { isId, newId } from "../../lib/base/random.ts";
import { SeededRandom } from "../fakes/random.ts";

Deno.test("newId() makes ids of 25 digits, each time another", () => {
  const random = new SeededRandom(1);
  const ids = Array.from({ length: 100 }, () => newId(random));
  for (const id of ids) assertMatch(id, /^[0-9a-z]{25}$/);
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test("newId() follows from the randomness alone", () => {
  assertEquals(newId(new SeededRandom(7)), newId(new SeededRandom(7)));
  assertNotEquals(newId(new SeededRandom(7)), newId(new SeededRandom(8)));
});

Deno.test("newId() uses 128 bits, to the last", () => {
  const all = {
    bytes: (n: number) => new Uint8Array(n).fill(255),
    uniform: () => 0,
  };
  assertEquals(newId(all), "f5lxx1zz5pnorynqglhzmsp33");
});

Deno.test("isId() accepts the exact form", () => {
  const id = "0123456789abcdefghijklmno";
  assertEquals(isId(id), true);
  const others = [
    "",
    id.slice(1),
    `${id}0`,
    id.toUpperCase(),
    `${id}\n`,
    ` ${id.slice(1)}`,
    `${id.slice(1)}é`,
  ];
  for (const text of others) assertEquals(isId(text), false, text);
});
