import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { silentLogger } from "../../lib/base/logger.ts";
import { RUNTIME_FLAGS } from "../../lib/cli/runtime_flags.ts";
import { serveUnix } from "../../lib/net/unix_http.ts";
import { answerLocally } from "../../lib/rpc/local_answer.ts";
import { CACHE } from "./runtime_cache.ts";

// The real program as a process, with the permissions that it is given.

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const RUN = ["run", "--no-prompt", "--cached-only", ...RUNTIME_FLAGS];

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function swarmd(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...RUN, MAIN, ...args],
    clearEnv: true,
    env: { ...CACHE, ...env },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** What goes where, and the exit code; each is a whole run. */
const RUNS: readonly {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly code: number;
  readonly stdout: RegExp;
  readonly stderr: RegExp;
}[] = [
  {
    args: ["help"],
    code: 0,
    stdout: /^swarmd - trust .*\n {2}worker join +join a/s,
    stderr: /^$/,
  },
  {
    args: ["worker", "join", "-h"],
    code: 0,
    stdout: /^swarmd worker join - /,
    stderr: /^$/,
  },
  { args: [], code: 2, stdout: /^$/, stderr: /^swarmd - trust / },
  {
    args: ["version", "--json"],
    code: 0,
    stdout: /^\{"version":"[\d.]+","form":"source",.*\}\n$/,
    stderr: /^$/,
  },
  {
    args: ["statsu"],
    code: 2,
    stdout: /^$/,
    stderr:
      /^swarmd: error: Cannot find the command "statsu"\nswarmd: hint: Did you mean `swarmd status`\?\n$/,
  },
  {
    args: ["status", "--state-dir", "/nonexistent"],
    code: 3,
    stdout: /^$/,
    stderr: /^swarmd: error: .*\nswarmd: hint: .*\n$/,
  },
  {
    args: ["status", "--json"],
    env: { SWARMD_STATE_DIR: "/nonexistent" },
    code: 3,
    stdout: /^$/,
    stderr: /"\/nonexistent"/,
  },
  {
    args: ["cert", "show", "/nonexistent"],
    code: 18,
    stdout: /^$/,
    stderr: /^swarmd: error: Cannot show "\/nonexistent": no such file\n$/,
  },
  {
    args: ["worker", "join", "10.0.0.5:2377"],
    code: 2,
    stdout: /^$/,
    stderr: /^swarmd: error: Cannot join: found no join token\nswarmd: hint: /,
  },
  {
    args: ["worker", "join", "--token-file", "/nonexistent", "a:1"],
    code: 8,
    stdout: /^$/,
    stderr: /^swarmd: error: Cannot read "\/nonexistent": [^\n]+\n$/,
  },
  {
    args: [
      "worker",
      "join",
      "--token",
      "x",
      "--state-dir",
      "/nonexistent/d",
      "a:1",
    ],
    code: 11,
    stdout: /^$/,
    stderr: /^swarmd: error: [^\n]+\n/,
  },
  {
    args: ["drill", "--workers", "none"],
    code: 2,
    stdout: /^$/,
    stderr: /^swarmd: error: Cannot read --workers "none": want /,
  },
];

Deno.test("swarmd writes to the right stream and ends with the right code", async () => {
  for (const { args, env, code, stdout, stderr } of RUNS) {
    const ended = await swarmd(args, env);
    assertEquals(ended.code, code, `${args}: ${ended.stderr}`);
    assertMatch(ended.stdout, stdout);
    assertMatch(ended.stderr, stderr);
  }
});

Deno.test("swarmd shows no token that was put in the wrong place", async () => {
  const token = `SWMTKN-1-${"a".repeat(50)}-${"b".repeat(25)}`;
  const { code, stderr } = await swarmd(["worker", "join", token, "a:1"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "SWMTKN-1-[redacted]");
  assert(!stderr.includes("bbbb"), stderr);
});

Deno.test("swarmd ends in silence when its reader has gone", async () => {
  const shell = new Deno.Command("sh", {
    args: [
      "-c",
      '"$@" help exit-codes | head -n 1; "$@" help exit-codes >&- ; echo "$?"',
      "sh",
      Deno.execPath(),
      ...RUN,
      MAIN,
    ],
  });
  const { stdout, stderr } = await shell.output();
  const [first, second] = new TextDecoder().decode(stdout).split("\n");
  assertEquals(first, "CODE  NAME                 MEANING");
  assert(second !== undefined);
  assertEquals(new TextDecoder().decode(stderr).includes("internal"), false);
});

Deno.test("swarmd says that standard output cannot be written", async () => {
  const shell = new Deno.Command("sh", {
    args: [
      "-c",
      '"$@" > /dev/full',
      "sh",
      Deno.execPath(),
      ...RUN,
      MAIN,
      "help",
    ],
  });
  const { code, stderr } = await shell.output();
  assertEquals(code, 8);
  assertMatch(
    new TextDecoder().decode(stderr),
    /^swarmd: error: Cannot write to "standard output": the disk is full\n/,
  );
});

Deno.test("swarmd asks the node of the directory that it is given", async () => {
  const stateDir = await Deno.makeTempDir({ prefix: "swarmd-cli-" });
  const server = await serveUnix(`${stateDir}/swarmd.sock`, {
    handler: (request) =>
      answerLocally(request, (path) => path === "/v1/nodes" ? [] : undefined),
    logger: silentLogger,
  });
  try {
    const env = { SWARMD_STATE_DIR: stateDir };
    assertEquals(await swarmd(["node", "ls", "--json"], env), {
      code: 0,
      stdout: "[]\n",
      stderr: "",
    });
    assertEquals((await swarmd(["status"], env)).code, 18);
  } finally {
    await server.close();
    await Deno.remove(stateDir, { recursive: true });
  }
});
