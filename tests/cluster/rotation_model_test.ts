import { assert, assertEquals } from "@std/assert";
import type { Budget, Mutation, Setup } from "./rotation_state.ts";
import { search } from "./rotation_search.ts";

const NOTHING: Budget = {
  targets: ["H", "I"],
  aborts: 0,
  replaces: 0,
  finishes: 0,
  deadlines: 0,
  ticks: 0,
  weeks: 0,
  offlines: 0,
  restarts: 0,
  losses: 0,
};

function setup(
  budget: Partial<Budget>,
  change: Partial<Setup> = {},
): Setup {
  return {
    workers: ["w1"],
    joiner: false,
    quorum: 0.3,
    ...change,
    budget: { ...NOTHING, ...budget },
  };
}

/** Explored to the last state; together they meet every kind of step. */
const SETUPS: readonly Setup[] = [
  // One manager, two workers, one joiner, three roots
  setup({ aborts: 1, replaces: 1 }, { workers: ["w1", "w2"], joiner: true }),
  setup({ offlines: 1, deadlines: 1, targets: ["H"] }, {
    workers: ["w1", "w2"],
  }),
  setup({ aborts: 1, replaces: 1, offlines: 1, restarts: 1, losses: 1 }),
  setup({ offlines: 1, deadlines: 2, losses: 1, restarts: 1 }),
  setup({ ticks: 1, offlines: 1, finishes: 1, weeks: 1 }, {
    workers: [],
    joiner: true,
  }),
  setup({ aborts: 1 }, { joiner: true, trustFirst: true }),
  setup({ aborts: 1, offlines: 1, deadlines: 2, targets: ["H"] }, {
    joiner: true,
    trustFirst: true,
  }),
  setup(
    { aborts: 1, offlines: 1, restarts: 1, losses: 1, targets: ["H"] },
    { joiner: true, trustFirst: true, own: ["H"] },
  ),
];

Deno.test("advance() and its views let every pair verify each other in all interleavings, and end in rest", () => {
  const met = new Set<string>();
  let states = 0;
  for (const each of SETUPS) {
    const found = search(each);
    assertEquals(found.failure, undefined);
    states += found.states;
    for (const kind of found.met.keys()) met.add(kind);
  }
  // The interleavings did reach what they are for.
  assert(states > 100_000, `${states} states`);
  assertEquals([...met].toSorted(), [
    "11 minutes pass",
    "8 days pass",
    "aborts",
    "adopts",
    "asks for the root",
    "dials",
    "finishes",
    "goes offline",
    "is issued",
    "is pushed",
    "is seen",
    "joins",
    "loses the answer",
    "renews itself",
    "replaces by",
    "restarts",
    "returns",
    "rotates to",
    "saves",
    "the deadline passes",
    "the rotation advances",
  ]);
});

/** Rules that earlier texts lacked, and a setup in which each is needed. */
const BROKEN: readonly [Mutation, Setup][] = [
  [
    "back at once",
    setup({ aborts: 1, targets: ["H"] }, { joiner: true, trustFirst: true }),
  ],
  ["chain of the phase", setup({ aborts: 1, targets: ["H"] })],
  [
    "early links",
    setup({ aborts: 1, offlines: 1, deadlines: 2, weeks: 1 }),
  ],
  ["no grace", setup({ targets: ["H"] }, { joiner: true })],
  ["no time for joiners", setup({ targets: ["H"] }, { joiner: true })],
  [
    "nobody vouches back",
    setup({ aborts: 1, targets: ["H"] }, {
      joiner: true,
      trustFirst: true,
      own: ["H"],
    }),
  ],
];

for (const [mutation, each] of BROKEN) {
  Deno.test(`search() finds a way to break trust when the rule is broken: ${mutation}`, () => {
    assertEquals(search(each).failure, undefined);
    assert(search({ ...each, mutation }).failure !== undefined);
  });
}
