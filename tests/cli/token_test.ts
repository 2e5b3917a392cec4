import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { resolveToken, type TokenSources } from "../../lib/cli/token.ts";
import { FakeHost, type FakeWorld } from "./fake_host.ts";

const NONE: TokenSources = { token: undefined, tokenFile: undefined };

async function resolved(sources: Partial<TokenSources>, world: FakeWorld) {
  const host = new FakeHost(world);
  const token = await resolveToken({ ...NONE, ...sources }, host);
  return { token, asked: host.asked };
}

Deno.test("resolveToken() takes the first of file, option, environment and person", async () => {
  const folder = await Deno.makeTempDir();
  const tokenFile = `${folder}/token`;
  await Deno.writeTextFile(tokenFile, "  from-file \nsecond line\n");
  const env = { SWARMD_TOKEN: "from-env" };
  const answer = " from-person ";
  const cases: [Partial<TokenSources>, FakeWorld, string, number][] = [
    [{ tokenFile }, { env, answer }, "from-file", 0],
    [{ token: "from-option" }, { env, answer }, "from-option", 0],
    [{}, { env, answer }, "from-env", 0],
    [{}, { answer }, "from-person", 1],
    [{ tokenFile: "-" }, { env, input: " from-pipe " }, "from-pipe", 0],
    [{ tokenFile: "/dev/stdin" }, { env, input: "from-pipe" }, "from-pipe", 0],
    [{ tokenFile: "-" }, { env, answer }, "from-person", 1],
  ];
  try {
    for (const [sources, world, token, asked] of cases) {
      const found = await resolved(sources, world);
      assertEquals([found.token, found.asked.length], [token, asked]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("resolveToken() refuses two tokens, and none", async () => {
  const cases: [Partial<TokenSources>, FakeWorld, string][] = [
    [
      { token: "a", tokenFile: "b" },
      {},
      "Cannot choose a join token: found --token and --token-file, want one",
    ],
    [{}, {}, "Cannot join: found no join token"],
    [{}, { answer: "  " }, "Cannot join: found no join token"],
    [{ token: " " }, {}, "Cannot join: found no join token"],
    [{ tokenFile: "-" }, { input: "" }, "Cannot join: found no join token"],
  ];
  for (const [sources, world, message] of cases) {
    const error = await assertRejects(
      async () => await resolved(sources, world),
      SwarmdError,
    );
    assertEquals([error.code, error.message], ["usage", message]);
  }
});

Deno.test("resolveToken() says which token file cannot be read", async () => {
  const error = await assertRejects(
    async () => await resolved({ tokenFile: "/nonexistent/token" }, {}),
    SwarmdError,
    'Cannot read "/nonexistent/token": ',
  );
  assertEquals(error.code, "disk");
});
