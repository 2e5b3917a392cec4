import { assertEquals, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR } from "../../lib/base/time.ts";
import {
  advertisedAddress,
  choice,
  duration,
  integer,
  listenEndpoint,
  oneOf,
  peerEndpoint,
  readValue,
  text,
  type Value,
} from "../../lib/cli/values.ts";

const ANY = { name: "--x", given: "" };

const READ: readonly [value: Value<unknown>, given: string, read: unknown][] = [
  [text("T"), " a b ", " a b "],
  [choice("C", ["on", "off"]), "off", "off"],
  [integer("N", { min: 0, max: 10 }), "0", 0],
  [integer("N", { min: 0, max: 10 }), "10", 10],
  [duration("D", { min: HOUR, max: DAY }), "1h", HOUR],
  [duration("D", { min: HOUR, max: DAY }), "23h60m", DAY],
  [peerEndpoint, "10.0.0.5:2377", { host: "10.0.0.5", port: 2377 }],
  [peerEndpoint, "[2001:db8::5]:1", { host: "2001:db8::5", port: 1 }],
  [peerEndpoint, "m1.example.org:65535", {
    host: "m1.example.org",
    port: 65_535,
  }],
  [listenEndpoint, "0.0.0.0:0", { host: "0.0.0.0", port: 0 }],
  [listenEndpoint, "[::]:2377", { host: "::", port: 2377 }],
  [advertisedAddress, "10.0.0.5", { host: "10.0.0.5" }],
  [advertisedAddress, "10.0.0.5:99", { host: "10.0.0.5", port: 99 }],
  [advertisedAddress, "[::1]", { host: "::1" }],
  [advertisedAddress, "[::1]:99", { host: "::1", port: 99 }],
  [advertisedAddress, "m1", { host: "m1" }],
];

Deno.test("readValue() reads what has the form", () => {
  for (const [value, given, read] of READ) {
    assertEquals(readValue(value, { ...ANY, given }), read, given);
  }
});

const REFUSED: readonly [
  value: Value<unknown>,
  given: readonly string[],
  wanted: string,
][] = [
  [text("T"), [""], "want a text that is not empty"],
  [choice("C", ["a", "b", "c"]), ["", "A", "ab"], "want a, b or c"],
  [
    integer("N", { min: 1, max: 64 }),
    ["", "0", "65", "-1", "1.5", "1e1", "0x10", "9".repeat(20), " 1"],
    "want a whole number from 1 to 64",
  ],
  [
    duration("D", { min: HOUR, max: DAY }),
    ["", "5", "h", "1 h", "-1h", "1.5h", "1H", "1w"],
    "want a form such as 90d, 1h30m, 10s or 250ms",
  ],
  [
    duration("D", { min: HOUR, max: DAY }),
    ["59m", "0s", "25h"],
    "want 1h to 1d",
  ],
  [
    peerEndpoint,
    [
      "",
      "10.0.0.5",
      "10.0.0.5:",
      ":2377",
      "10.0.0.5:70000",
      "10.0.0.5:-1",
      "10.0.0.256:1",
      "1.2.3:1",
      "::1:2377",
      "[::1]",
      "[zz::1]:1",
      "[fe80::1%eth0]:1",
      "a b:1",
      "a_b:1",
      "-a:1",
      "http://a:1",
      "a:1/x",
      `${"a".repeat(64)}:1`,
      "[m1]:1",
    ],
    "want HOST:PORT such as 10.0.0.5:2377, manager.example.org:2377 or [2001:db8::5]:2377",
  ],
  [peerEndpoint, ["10.0.0.5:0"], "want a port from 1 on"],
  [
    peerEndpoint,
    ["0.0.0.0:1", "[::]:1", "[0:0::0]:1"],
    "want an address that others reach, not a wildcard",
  ],
  [
    advertisedAddress,
    ["0.0.0.0", "[::]", "0.0.0.0:2377"],
    "want an address that others reach, not a wildcard",
  ],
  [
    advertisedAddress,
    ["", ":1", "a:", "::1", "2001:db8::5:2377", "a:99999", "a:b", "[::1]:"],
    "want HOST or HOST:PORT such as 10.0.0.5, manager.example.org:2377 or [2001:db8::5]:2377",
  ],
  [advertisedAddress, ["a:0"], "want a port from 1 on"],
  [
    listenEndpoint,
    ["2377", ":2377", "eth0", "*:2377"],
    "want HOST:PORT such as 10.0.0.5:2377, manager.example.org:2377 or [2001:db8::5]:2377",
  ],
];

Deno.test("readValue() names the option, what was given and what is wanted", () => {
  for (const [value, givens, wanted] of REFUSED) {
    for (const given of givens) {
      const error = assertThrows(
        () => readValue(value, { name: "--x", given }),
        SwarmdError,
      );
      assertEquals(error.message, `Cannot read --x "${given}": ${wanted}`);
      assertEquals([error.code, error.verdict], ["usage", "stop"]);
    }
  }
});

Deno.test("oneOf() writes a list as words", () => {
  assertEquals(oneOf(["a"]), "a");
  assertEquals(oneOf(["a", "b"]), "a or b");
  assertEquals(oneOf(["a", "b", "c"]), "a, b or c");
});
