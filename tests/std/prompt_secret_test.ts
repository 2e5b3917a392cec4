import { assertEquals, assertStringIncludes } from "@std/assert";

const CHILD = new URL("./testdata/prompt.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

interface Prompt {
  readonly mask?: string;
  readonly clear?: boolean;
}

function command(options: Prompt): string[] {
  return [
    ...[Deno.execPath(), "run", "--no-prompt", "--config", CONFIG, CHILD],
    JSON.stringify(options),
  ];
}

/** All that a terminal shows while somebody answers the prompt. */
async function answerOnTerminal(
  keys: string,
  options: Prompt,
): Promise<string> {
  const quoted = command(options).map((word) => `'${word}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["--quiet", "--return", "--command", quoted, "/dev/null"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const keyboard = child.stdin.getWriter();
  const decoder = new TextDecoder();
  let screen = "";
  let typed = false;
  for await (const chunk of child.stdout) {
    screen += decoder.decode(chunk, { stream: true });
    if (typed || !screen.includes("Token: ")) continue;
    typed = true;
    await keyboard.write(new TextEncoder().encode(keys));
  }
  await keyboard.close();
  await child.status;
  return screen;
}

Deno.test("promptSecret() shows a mask and never what is typed", async () => {
  const screen = await answerOnTerminal("geheim\r", {});
  assertEquals(screen, 'Token: ******\r\nanswer="geheim"\r\n');
});

Deno.test("promptSecret() shows nothing for an empty mask", async () => {
  const screen = await answerOnTerminal("geheim\n", { mask: "" });
  assertEquals(screen, 'Token: \r\nanswer="geheim"\r\n');
});

Deno.test("promptSecret() takes back characters, not bytes", async () => {
  const screen = await answerOnTerminal("\x7fä€\x7fb\b\x7f\x7fc\r", {});
  assertStringIncludes(screen, 'answer="c"');
});

Deno.test("promptSecret() clears its line when it is asked to", async () => {
  const screen = await answerOnTerminal("a\r", { clear: true });
  assertEquals(screen, 'Token: *\r\x1b[Kanswer="a"\r\n');
});

Deno.test("promptSecret() gives null where there is no terminal", async () => {
  const [file = "", ...args] = command({});
  const { stdout } = await new Deno.Command(file, { args, stdin: "null" })
    .output();
  assertEquals(new TextDecoder().decode(stdout), "answer=null\n");
});
