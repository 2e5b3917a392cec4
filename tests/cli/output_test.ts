import { assert, assertEquals } from "@std/assert";
import {
  formatFacts,
  formatTable,
  Output,
  wrap,
} from "../../lib/cli/output.ts";
import { LineWriter } from "../../lib/observe/line_writer.ts";
import { FakeHost } from "./fake_host.ts";

const TOKEN = `SWMTKN-1-${"a".repeat(50)}-${"b".repeat(25)}`;

Deno.test("Output puts data on standard output and the rest on standard error", async () => {
  const { output, stdout, stderr } = new FakeHost();
  await output.lines(["one", "two"]);
  await output.json({ a: [1, null], b: "ü" });
  output.postLines(["event"]);
  output.postJson({ event: "ready" });
  output.say("error", "Cannot do it: found x");
  output.say("warning", "Odd");
  output.say("hint", "Do that");
  output.aside(["as it is"]);
  assert(output.postLog("log line\n"));
  await output.flush();
  assertEquals(
    stdout.text,
    'one\ntwo\n{"a":[1,null],"b":"ü"}\nevent\n{"event":"ready"}\n',
  );
  assertEquals(
    stderr.text,
    "swarmd: error: Cannot do it: found x\nswarmd: warning: Odd\n" +
      "swarmd: hint: Do that\nas it is\nlog line\n",
  );
});

Deno.test("Output never lets a text from elsewhere break out of its line", async () => {
  const { output, stdout, stderr } = new FakeHost();
  await output.lines(["evil\x1b[2J\nnode"]);
  await output.json({ hostname: "evil\x9b\u202e" });
  output.say("error", "Found evil\r\nswarmd: hint: run this");
  output.aside(["evil\x07"]);
  await output.flush();
  assertEquals(
    stdout.text,
    'evil\\u001b[2J\\u000anode\n{"hostname":"evil\\u009b\\u202e"}\n',
  );
  assertEquals(
    stderr.text,
    "swarmd: error: Found evil\\u000d\\u000aswarmd: hint: run this\nevil\\u0007\n",
  );
});

Deno.test("Output shows tokens as data only", async () => {
  const { output, stdout, stderr } = new FakeHost();
  await output.lines([TOKEN]);
  output.say("error", `Cannot read HOST:PORT "${TOKEN}"`);
  output.aside([`Error: ${TOKEN}`]);
  await output.flush();
  assertEquals(stdout.text, `${TOKEN}\n`);
  assertEquals(
    stderr.text,
    'swarmd: error: Cannot read HOST:PORT "SWMTKN-1-[redacted]"\n' +
      "Error: SWMTKN-1-[redacted]\n",
  );
});

Deno.test("Output waits with data for a slow reader and not with messages", async () => {
  const opened = Promise.withResolvers<void>();
  const slow = new LineWriter({
    async write(bytes) {
      await opened.promise;
      return bytes.length;
    },
  });
  const output = new Output(slow, slow);
  let written = false;
  const data = output.lines(["data"]).then(() => written = true);
  output.say("error", "Message");
  await Promise.resolve();
  assert(!written);
  opened.resolve();
  await data;
  await output.flush();
});

Deno.test("Output shows progress as one line on a terminal, else line after line", async () => {
  const written = async (terminal: boolean) => {
    const { output, stdout, stderr } = new FakeHost();
    output.progress("one\x1b", terminal);
    output.progress("two", terminal);
    output.endProgress(terminal);
    await output.flush();
    assertEquals(stdout.text, "");
    return stderr.text;
  };
  const [terminal, file] = await Promise.all([true, false].map(written));
  assertEquals(terminal, "\r\x1b[Kone\\u001b\r\x1b[Ktwo\r\x1b[K");
  assertEquals(file, "swarmd: one\\u001b\nswarmd: two\n");
});

Deno.test("formatTable() aligns columns to their content without trailing blanks", () => {
  assertEquals(
    formatTable(["ID", "NAME", "STATUS"], [
      ["1", "ünïcode", "ready"],
      ["22", "a\nb", ""],
    ]),
    [
      "ID  NAME      STATUS",
      "1   ünïcode   ready",
      "22  a\\u000ab",
    ],
  );
  assertEquals(formatTable(["ID", "NAME"], []), ["ID  NAME"]);
});

Deno.test("formatFacts() puts the values below one another", () => {
  assertEquals(
    formatFacts([["node", "a"], ["trust root", "b\x1b"], ["", "c"]]),
    ["node        a", "trust root  b\\u001b", "            c"],
  );
  assertEquals(formatFacts([]), []);
});

Deno.test("wrap() breaks between words and keeps long ones whole", () => {
  assertEquals(wrap("aa bb cc", 5), ["aa bb", "cc"]);
  assertEquals(wrap("aa bbbbbbbbb cc", 5), ["aa", "bbbbbbbbb", "cc"]);
  assertEquals(wrap("", 5), [""]);
});
