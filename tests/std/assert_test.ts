import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";

const NO_ERROR: unknown = "no error";

function isAssertionError(error: unknown): error is Error {
  return error instanceof Error && error.name === "AssertionError";
}

/** What an assertion fails with. It may not use what is tested here. */
function failureOf(assertion: () => unknown): string {
  try {
    assertion();
  } catch (error) {
    if (isAssertionError(error)) return error.message;
    throw error;
  }
  throw new Error(`Want a failure: ${assertion}`);
}

/** The same for assertions that wait. */
async function laterFailureOf(
  assertion: () => Promise<unknown>,
): Promise<string> {
  try {
    await assertion();
  } catch (error) {
    if (isAssertionError(error)) return error.message;
    throw error;
  }
  throw new Error(`Want a failure: ${assertion}`);
}

Deno.test("assertEquals() accepts equal values", () => {
  const pairs: readonly (readonly [unknown, unknown])[] = [
    [1, 1],
    [NaN, NaN],
    [0, -0],
    ["a", "a"],
    [{ a: 1, b: [2, { c: 3 }] }, { b: [2, { c: 3 }], a: 1 }],
    [Object.create(null), {}],
    [new Date(5), new Date(5)],
    [/a/g, /a/g],
    [new URL("https://a.example/"), new URL("https://a.example")],
    [new Uint8Array([1, 2]), new Uint8Array([0, 1, 2]).subarray(1)],
    [new Map([["a", { b: 1 }]]), new Map([["a", { b: 1 }]])],
    [new Set([{ a: 1 }, 2]), new Set([2, { a: 1 }])],
    [
      new Map([[{ k: 1 }, 1], [{ k: 2 }, 2]]),
      new Map([[{ k: 2 }, 2], [{ k: 1 }, 1]]),
    ],
    [Symbol.iterator, Symbol.iterator],
    [undefined, undefined],
  ];
  for (const [a, b] of pairs) {
    assertEquals(a, b);
    failureOf(() => assertNotEquals(a, b));
  }
});

Deno.test("assertEquals() tells different values apart", () => {
  class A {
    #hidden: number;
    constructor(hidden: number) {
      this.#hidden = hidden;
    }
    get shown(): number {
      return this.#hidden;
    }
  }
  const pairs: readonly (readonly [unknown, unknown])[] = [
    [1, 2],
    [1, "1"],
    [1, 1n],
    [null, undefined],
    [null, {}],
    [{}, []],
    [{ a: 1 }, { a: 2 }],
    [{ a: undefined }, {}],
    [{ a: undefined }, { b: undefined }],
    [[1, 2], [2, 1]],
    [[1], [1, undefined]],
    [new Date(5), new Date(6)],
    [/a/g, /a/],
    [new Uint8Array([1]), new Uint8Array([2])],
    [new Uint8Array([1]), [1]],
    [new Uint8Array([1]).buffer, new Uint8Array([2]).buffer],
    [new Map([["a", 1]]), new Map([["a", 2]])],
    [new Map([["a", 1]]), new Map([["b", 1]])],
    [new Set([1]), new Set([1, 2])],
    [new Set([{ a: 1 }, { a: 1 }]), new Set([{ a: 1 }, { a: 2 }])],
    [new Set([1]), new Map([[1, 1]])],
    [new A(1), new A(2)],
    [new A(1), { shown: 1 }],
    [new Error("a"), new Error("b")],
    [() => 1, () => 1],
    [{ [Symbol.iterator]: 1 }, { [Symbol.iterator]: 2 }],
  ];
  for (const [a, b] of pairs) {
    assertNotEquals(a, b);
    assertNotEquals(b, a);
    failureOf(() => assertEquals(a, b));
  }
});

Deno.test("assertEquals() comes to an end where values contain themselves", () => {
  const cycle = (end: number) => {
    const node: Record<string, unknown> = { end };
    node["self"] = [node];
    return node;
  };
  assertEquals(cycle(1), cycle(1));
  assertNotEquals(cycle(1), cycle(2));
});

Deno.test("assertEquals() shows the lines that differ", () => {
  const actual = { name: "a", list: [1, 2, 3], same: true };
  const expected = { name: "b", list: [1, 3], same: true };
  assertEquals(
    failureOf(() => assertEquals<unknown>(actual, expected, "in a table")),
    `Values are not equal: in a table

    [Diff] - Actual / + Expected

    {
      list: [
        1,
-       2,
        3,
      ],
-     name: "a",
+     name: "b",
      same: true,
    }
`,
  );
});

Deno.test("assertEquals() compares long texts by line", () => {
  assertEquals(
    failureOf(() => assertEquals("a\nb\nc", "a\nc\nd")),
    `Values are not equal.

    [Diff] - Actual / + Expected

    a
-   b
    c
+   d
`,
  );
});

Deno.test("assertEquals() is not slowed down by a huge difference", () => {
  const many = (first: number) =>
    Array.from({ length: 5_000 }, (_, i) => first + i);
  const message = failureOf(() => assertEquals(many(0), many(1_000_000)));
  assert(message.includes("-     0,\n"));
  assert(message.includes("+     1000000,\n"));
});

Deno.test("assertStrictEquals() wants the very same", () => {
  const value = {};
  assertStrictEquals(value, value);
  assertStrictEquals(NaN, NaN);
  assert(failureOf(() => assertStrictEquals({}, {})).includes("not the same"));
  failureOf(() => assertStrictEquals<number>(0, -0));
});

Deno.test("assert() and its kin take what converts", () => {
  assert(1);
  assertFalse("");
  assertEquals(failureOf(() => assert(0, "why")), "why");
  assertEquals(failureOf(() => assertFalse("x", "why")), "why");
});

Deno.test("assertGreater() and its kin compare", () => {
  assertGreater(2, 1);
  assertGreaterOrEqual(2, 2);
  assertLess(1n, 2n);
  assertLessOrEqual("a", "a");
  assertEquals(failureOf(() => assertGreater(1, 1)), "Want 1 > 1");
  assertEquals(failureOf(() => assertGreaterOrEqual(1, 2)), "Want 1 >= 2");
  assertEquals(failureOf(() => assertLess(1, 1, "why")), "Want 1 < 1: why");
  assertEquals(failureOf(() => assertLessOrEqual(2, 1)), "Want 2 <= 1");
  failureOf(() => assertLess(NaN, 1));
});

Deno.test("assertMatch() and assertStringIncludes() look into texts", () => {
  assertMatch("abc", /b/);
  assertStringIncludes("abc", "bc");
  assertEquals(
    failureOf(() => assertMatch("abc", /x/)),
    'Want text that matches /x/, have "abc"',
  );
  assertEquals(
    failureOf(() => assertStringIncludes("abc", "x")),
    'Want text that contains "x", have "abc"',
  );
});

Deno.test("assertInstanceOf() wants the class or one below", () => {
  assertInstanceOf(new RangeError(), Error);
  assertEquals(
    failureOf(() => assertInstanceOf({ a: 1 }, Error)),
    "Want an instance of Error, have { a: 1 }",
  );
  failureOf(() => assertInstanceOf(new Error(), RangeError));
  failureOf(() => assertInstanceOf(undefined, Object));
});

Deno.test("assertArrayIncludes() compares deeply", () => {
  assertArrayIncludes([1, { a: 1 }, 3], [{ a: 1 }, 1]);
  assertArrayIncludes(new Uint8Array([1, 2]), [2]);
  assertEquals(
    failureOf(() => assertArrayIncludes([1, 2], [2, 3])),
    "Want [ 1, 2 ] to include [ 3 ]",
  );
});

Deno.test("assertThrows() returns what was thrown, if it is what was wanted", () => {
  const error = new RangeError("out of range");
  const throwing = () => {
    throw error;
  };
  assertStrictEquals(assertThrows(throwing), error);
  assertStrictEquals(assertThrows(throwing, "a message"), error);
  assertStrictEquals(assertThrows(throwing, Error), error);
  assertStrictEquals(assertThrows(throwing, RangeError, "range"), error);
  const failures = [
    [
      () => assertThrows(() => 1),
      "Want the function to throw, but it returned",
    ],
    [
      () => assertThrows(() => 1, "why"),
      "Want the function to throw, but it returned: why",
    ],
    [
      () => assertThrows(throwing, TypeError),
      "Want TypeError, have RangeError",
    ],
    [
      () => assertThrows(throwing, RangeError, "x", "why"),
      'Want an error text that contains "x", have "out of range": why',
    ],
    [
      () =>
        assertThrows(() => {
          throw NO_ERROR;
        }, Error),
      'Want an Error, have "no error"',
    ],
  ] as const;
  for (const [assertion, want] of failures) {
    assertEquals(failureOf(assertion), want);
  }
});

Deno.test("assertThrows() keeps the error that it did not want as the cause", () => {
  const error = new RangeError("out of range");
  const failure = assertThrows(
    () =>
      assertThrows(() => {
        throw error;
      }, TypeError),
    Error,
  );
  assertStrictEquals(failure.cause, error);
});

Deno.test("assertRejects() returns the reason, if it is what was wanted", async () => {
  const error = new RangeError("out of range");
  const rejecting = () => Promise.reject(error);
  assertStrictEquals(await assertRejects(rejecting), error);
  assertStrictEquals(await assertRejects(rejecting, Error, "range"), error);
  const failures = [
    [
      () => assertRejects(() => Promise.resolve()),
      "Want a promise that is rejected, but it was fulfilled",
    ],
    [
      () => assertRejects(rejecting, TypeError),
      "Want TypeError, have RangeError",
    ],
    [
      () =>
        assertRejects(() => {
          throw NO_ERROR;
        }),
      'Want a promise that is rejected, but the function threw "no error"',
    ],
  ] as const;
  for (const [assertion, want] of failures) {
    assertEquals(await laterFailureOf(assertion), want);
  }
});
