import { assert, assertEquals, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { MAX_VOID_MANAGERS } from "../../lib/cluster/void_managers.ts";
import type { VoidManager } from "../../lib/worker/state.ts";
import { hearVoid, isVoid } from "../../lib/worker/void_managers.ts";

const NOW = 1_000_000;
const OWN = { fingerprint: "own", notBefore: 50 };

const at = (fingerprint: string, until = NOW + 1_000) => ({
  fingerprint,
  until,
});

function entry(change: Partial<VoidManager> = {}): VoidManager {
  return { ...at("x"), newest: 50, ...change };
}

Deno.test("isVoid() takes a manager's word of what is not newer than its own", () => {
  const cases = [
    ["x", 49, true],
    ["x", 50, true],
    // What a thief with an older key would like to be rid of.
    ["x", 51, false],
    ["y", 49, false],
  ] as const;
  for (const [fingerprint, notBefore, wanted] of cases) {
    const presented = { fingerprint, notBefore };
    assertEquals(isVoid(presented, [entry()]), wanted, `${notBefore}`);
    assertEquals(isVoid(presented, []), false);
  }
});

Deno.test("hearVoid() keeps what it knew, until it ends, and the newest word", () => {
  const known = [
    entry({ fingerprint: "ended", until: NOW }),
    entry({ fingerprint: "kept" }),
    entry({ fingerprint: "newer", newest: 60 }),
    entry({ fingerprint: "older", newest: 40 }),
  ];
  const told = ["newer", "older", "told"].map((each) => at(each));
  const context = { from: OWN, now: NOW };
  const heard = hearVoid(known, [...told, at("late", NOW)], context);
  assertEquals(heard.map((each) => [each.fingerprint, each.newest]), [
    ["kept", 50],
    ["newer", 60],
    ["older", 50],
    ["told", 50],
  ]);
  // A list without news is the same list.
  assertEquals(hearVoid(heard, told, context), heard);
});

Deno.test("hearVoid() refuses a list that names who tells it", () => {
  const told = [at("x"), at("own")];
  const error = assertThrows(
    () => hearVoid([], told, { from: OWN, now: NOW }),
    SwarmdError,
  );
  assertEquals(error.code, "answer-refused");
});

Deno.test("hearVoid() is bounded, and what was told last stays", () => {
  const context = { from: OWN, now: NOW };
  const flood = Array.from(
    { length: MAX_VOID_MANAGERS },
    (_, i) => at(`f${i}`, NOW + 1_000_000),
  );
  const flooded = hearVoid([entry()], flood, context);
  assertEquals(flooded.length, MAX_VOID_MANAGERS);
  const heard = hearVoid(flooded, [at("x", NOW + 1)], context);
  assertEquals(heard.length, MAX_VOID_MANAGERS);
  assert(heard.some(({ fingerprint }) => fingerprint === "x"));
});
