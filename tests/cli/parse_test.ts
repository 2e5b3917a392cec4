import { assert, assertEquals, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { type Invocation, parseCommandLine } from "../../lib/cli/parse.ts";

function parse(line: string | readonly string[]): Invocation {
  const argv = typeof line === "string" ? line.split(" ") : line;
  return parseCommandLine(argv, COMMANDS);
}

/** Only what was given. */
function given(line: string | readonly string[]) {
  const parsed = parse(line);
  assert(parsed.kind === "command", `${line}`);
  const options = Object.entries(parsed.raw.options)
    .filter(([, texts]) => texts.length > 0);
  return {
    path: parsed.command.path,
    options: Object.fromEntries(options),
    words: parsed.raw.words,
  };
}

const READ: readonly [
  line: string,
  path: string,
  options: Record<string, readonly string[]>,
  words: string[],
][] = [
  ["manager init", "manager init", {}, []],
  [
    "manager init --listen-addr 0.0.0.0:1 --advertise-addr a --advertise-addr=b:2 --drill",
    "manager init",
    {
      "listen-addr": ["0.0.0.0:1"],
      "advertise-addr": ["a", "b:2"],
      drill: ["true"],
    },
    [],
  ],
  [
    "worker join 10.0.0.5:1 --token-file f --json [::1]:2",
    "worker join",
    { "token-file": ["f"], json: ["true"] },
    ["10.0.0.5:1", "[::1]:2"],
  ],
  ["worker join --token-file - a:1", "worker join", { "token-file": ["-"] }, [
    "a:1",
  ]],
  ["worker join --token-file=- a:1", "worker join", { "token-file": ["-"] }, [
    "a:1",
  ]],
  ["worker join -- --token-file -", "worker join", {}, ["--token-file", "-"]],
  ["worker join --token=-x a:1", "worker join", { token: ["-x"] }, ["a:1"]],
  ["worker join -- --a:1", "worker join", {}, ["--a:1"]],
  ["token show worker -q", "token show", { quiet: ["true"] }, ["worker"]],
  ["token show --quiet manager", "token show", { quiet: ["true"] }, [
    "manager",
  ]],
  ["node inspect 0123", "node inspect", {}, ["0123"]],
  ["node inspect 1e5", "node inspect", {}, ["1e5"]],
  [
    "drill --faults 007 --for 10s",
    "drill",
    { faults: ["007"], for: ["10s"] },
    [],
  ],
  ["help node ls", "help", {}, ["node", "ls"]],
  ["help", "help", {}, []],
  ["--version", "version", {}, []],
];

Deno.test("parseCommandLine() reads commands, options and words as they are typed", () => {
  for (const [line, path, options, words] of READ) {
    assertEquals(given(line), { path, options, words }, line);
  }
});

Deno.test("parseCommandLine() keeps values with spaces and equals signs whole", () => {
  assertEquals(
    given(["cert", "show", "--state-dir", "a b=c", "x y"]),
    { path: "cert show", options: { "state-dir": ["a b=c"] }, words: ["x y"] },
  );
  assertEquals(
    given(["cert", "show", "--state-dir=a=b"]).options,
    { "state-dir": ["a=b"] },
  );
});

const HELP: readonly [line: string, topic: string[]][] = [
  ["--help", []],
  ["-h", []],
  ["node --help", ["node"]],
  ["node ls --help", ["node", "ls"]],
  ["node ls --bogus -h", ["node", "ls"]],
  ["worker join --token --help", ["worker", "join"]],
  ["status extra --help", ["status"]],
  ["help --help", ["help"]],
];

Deno.test("parseCommandLine() lets help win over everything", () => {
  for (const [line, topic] of HELP) {
    assertEquals(parse(line), { kind: "help", topic }, line);
  }
  assertEquals(parse([]), { kind: "overview" });
});

Deno.test("parseCommandLine() takes --help behind -- as a word", () => {
  assertEquals(given("cert show -- --help").words, ["--help"]);
});

/** The commands of a group, as a sentence names them. */
function group(name: string): string {
  const paths = COMMANDS.map(({ path }) => path);
  const members = paths.filter((path) => path.startsWith(`${name} `));
  return `${members.slice(0, -1).join(", ")} or ${members.at(-1)}`;
}

const REFUSED: readonly [
  line: string | readonly string[],
  message: string,
  hint: string | undefined,
][] = [
  [
    "nod ls",
    'Cannot find the command "nod"',
    "Did you mean `swarmd node ls`?",
  ],
  ["ls", 'Cannot find the command "ls"', "Did you mean `swarmd node ls`?"],
  [
    "join --token x a:1",
    'Cannot find the command "join"',
    "Did you mean `swarmd worker join`?",
  ],
  [
    "init",
    'Cannot find the command "init"',
    "Did you mean `swarmd manager init`?",
  ],
  [
    "node lst",
    'Cannot find the command "node lst"',
    "Did you mean `swarmd node ls`?",
  ],
  [
    "statsu",
    'Cannot find the command "statsu"',
    "Did you mean `swarmd status`?",
  ],
  [
    "tokn --help",
    'Cannot find the command "tokn"',
    "Did you mean `swarmd token`?",
  ],
  [
    "frobnicate",
    'Cannot find the command "frobnicate"',
    "`swarmd help` lists the commands",
  ],
  [
    "node",
    `Cannot run "node" alone: want ${group("node")}`,
    undefined,
  ],
  [
    "--json node ls",
    'Cannot find a command: found "--json", want the command before its options',
    "`swarmd help` lists the commands",
  ],
  [
    "node ls --jsn",
    'Cannot find the option "--jsn" of `swarmd node ls`',
    "Did you mean --json?",
  ],
  [
    "node ls --stat-dir=x",
    'Cannot find the option "--stat-dir" of `swarmd node ls`',
    "Did you mean --state-dir?",
  ],
  [
    "node ls --hepl",
    'Cannot find the option "--hepl" of `swarmd node ls`',
    "Did you mean --help?",
  ],
  [
    "node ls --frobnicate",
    'Cannot find the option "--frobnicate" of `swarmd node ls`',
    "`swarmd node ls --help` lists its options",
  ],
  [
    "node ls --no-json",
    'Cannot find the option "--no-json" of `swarmd node ls`',
    "Did you mean --json?",
  ],
  [
    "node ls -x",
    'Cannot find the option "-x" of `swarmd node ls`',
    "`swarmd node ls --help` lists its options",
  ],
  [
    "node ls --state-dir",
    "Cannot read --state-dir: found no value, want --state-dir DIR",
    "`swarmd node ls --help` tells what it is",
  ],
  [
    "node ls --state-dir --json",
    "Cannot read --state-dir: found no value, want --state-dir DIR",
    "`swarmd node ls --help` tells what it is",
  ],
  [
    "node ls --state-dir=",
    "Cannot read --state-dir: found no value, want --state-dir DIR",
    "`swarmd node ls --help` tells what it is",
  ],
  [
    ["node", "ls", "--state-dir", ""],
    "Cannot read --state-dir: found no value, want --state-dir DIR",
    "`swarmd node ls --help` tells what it is",
  ],
  [
    "node ls --state-dir a --state-dir b",
    "Cannot take --state-dir 2 times: want it once",
    undefined,
  ],
  [
    "token show worker -q -q",
    "Cannot take --quiet 2 times: want it once",
    undefined,
  ],
  [
    "node ls --json --json",
    "Cannot take --json 2 times: want it once",
    undefined,
  ],
  [
    "node ls --json=yes",
    'Cannot read "--json=yes": --json takes no value',
    undefined,
  ],
  [
    "node ls extra",
    'Cannot run `swarmd node ls`: found "extra", want nothing there',
    undefined,
  ],
  [
    "node inspect a b",
    'Cannot run `swarmd node inspect`: found "b", want nothing there',
    undefined,
  ],
  [
    "token show",
    "Cannot run `swarmd token show`: found no ROLE",
    "What a node becomes that joins with it: worker or manager",
  ],
];

Deno.test("parseCommandLine() refuses what it cannot understand and says what was meant", () => {
  for (const [line, message, hint] of REFUSED) {
    const error = assertThrows(() => parse(line), SwarmdError);
    assertEquals([error.message, error.hint], [message, hint], `${line}`);
    assertEquals([error.code, error.verdict], ["usage", "stop"]);
  }
});

Deno.test("parseCommandLine() knows every option of every command", () => {
  for (const { path, options } of COMMANDS) {
    for (const [name, option] of Object.entries(options)) {
      const words = path === "worker join" ? ["a:1"] : [];
      const one = COMMANDS.find((each) => each.path === path);
      const needed = Object.values(one?.arguments ?? {})
        .filter((each) => !each.optional).map(() => "word");
      const argv = option.value ? [`--${name}`, "value"] : [`--${name}`];
      const line = [
        ...path.split(" "),
        ...argv,
        ...words.length ? words : needed,
      ];
      const expected = option.value ? ["value"] : ["true"];
      assertEquals(given(line).options, { [name]: expected }, line.join(" "));
    }
  }
});

Deno.test("parseCommandLine() refuses every option with a value that has none", () => {
  for (const { path, options } of COMMANDS) {
    for (const [name, option] of Object.entries(options)) {
      if (!option.value) continue;
      assertThrows(
        () => parse([...path.split(" "), `--${name}`]),
        SwarmdError,
        `want --${name} ${option.value.placeholder}`,
      );
    }
  }
});
