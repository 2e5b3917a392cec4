import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { Cluster } from "./cluster.ts";
import { Swarmd, swarmd, TempFolder } from "./harness.ts";
import { namesIn } from "./tree.ts";

const USAGE = 2;
const COMMANDS = [
  ...["manager init", "manager run", "worker join", "worker run", "drill"],
  ...["node ls", "node inspect", "token show", "ca show", "cert show"],
  ...["status", "version", "help"],
];
const TOKEN_REGEXP = /^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/;

Deno.test("an unknown command or flag is refused with a did you mean", async () => {
  for (
    const [line, meant] of [
      ["manger init", "manager"],
      ["manager innit", "init"],
      ["worker jion", "join"],
      ["nod ls", "node"],
      ["node lst", "ls"],
      ["stauts", "status"],
      ["node ls --jsno", "--json"],
      ["worker run --state-dri /tmp/x", "--state-dir"],
      ["manager init --listen-adr 127.0.0.1:0", "--listen-addr"],
      ["help mangaer", "manager"],
    ] as const
  ) {
    const { code, stdout, stderr } = await swarmd(line.split(" "));
    assertEquals(code, USAGE, line);
    assertEquals(stdout, "", line);
    assertMatch(stderr, /^swarmd: error: /, line);
    assertMatch(stderr, /did you mean/i, line);
    assertStringIncludes(stderr, meant, line);
  }
});

Deno.test("--help works everywhere, on standard output, and tells the same as help", async () => {
  const names = [...COMMANDS, "manager", "worker", "node", "token"];
  await Promise.all(names.map(async (name) => {
    const words = name.split(" ");
    const asked = await swarmd([...words, "--help"]);
    assertEquals(asked.code, 0, name);
    assertEquals(asked.stderr, "", name);
    assertStringIncludes(asked.stdout, `swarmd ${name}`);
    const told = await swarmd(["help", ...words]);
    assertEquals(told.code, 0, name);
    if (name !== "help") assertEquals(told.stdout, asked.stdout, name);
  }));
  const all = await swarmd(["help"]);
  assertEquals(all.code, 0);
  for (const name of COMMANDS) assertStringIncludes(all.stdout, name);
  const bare = await swarmd([]);
  assertEquals(bare.code, USAGE);
  assertEquals(bare.stdout, "");
  assertStringIncludes(bare.stderr, "manager init");
});

Deno.test("help exit-codes is the page of docs/cli.md", async () => {
  const { code, stdout } = await swarmd(["help", "exit-codes"]);
  assertEquals(code, 0);
  const page = await Deno.readTextFile(
    new URL("../../docs/cli.md", import.meta.url),
  );
  const rows = [...page.matchAll(/^\| (\d+) \| ([a-z-]+) \| (.+?) \|/gm)];
  assert(rows.length > 15);
  for (const [, number = "", name = "", meaning = ""] of rows) {
    assertMatch(stdout, new RegExp(`^ *${number} +${name}\\b`, "m"));
    assertStringIncludes(stdout.replace(/\s+/g, " "), meaning);
  }
});

Deno.test("operator commands write data to standard output and nothing else", async () => {
  await using cluster = await Cluster.start();
  await using worker = await cluster.connectedWorker("a");
  const [{ node }] = worker.events as unknown as [{ node: string }];
  const dir = `--state-dir=${cluster.dir()}`;
  for (
    const [words, wanted] of [
      [["node", "ls"], node],
      [["node", "inspect", node], node],
      [["node", "inspect", node.slice(0, 6)], node],
      [["token", "show", "worker"], cluster.tokens.worker],
      [["token", "show", "manager"], cluster.tokens.manager],
      [["ca", "show"], "-----BEGIN CERTIFICATE-----"],
      [["cert", "show"], cluster.id],
      [["status"], cluster.listen],
    ] as const
  ) {
    const text = await swarmd([...words, dir]);
    assertEquals([text.code, text.stderr], [0, ""], words.join(" "));
    assertStringIncludes(text.stdout, wanted);
    const json = await swarmd([...words, dir, "--json"]);
    assertEquals([json.code, json.stderr], [0, ""], words.join(" "));
    assertEquals(json.stdout.trimEnd().split("\n").length, 1);
    // A PEM text has its line ends escaped
    if (words[0] !== "ca") assertStringIncludes(json.stdout, wanted);
    JSON.parse(json.stdout);
  }
});

Deno.test("token show -q writes the token alone, the one that init told", async () => {
  await using cluster = await Cluster.start();
  const dir = `--state-dir=${cluster.dir()}`;
  for (const role of ["worker", "manager"] as const) {
    const { code, stdout } = await swarmd(["token", "show", role, "-q", dir]);
    assertEquals(code, 0);
    assertMatch(stdout, /^[^\n]+\n$/);
    assertMatch(stdout.trim(), TOKEN_REGEXP);
    assertEquals(stdout.trim(), cluster.tokens[role]);
  }
});

Deno.test("node ls --json is an array of elements with exactly the fields of the contract", async () => {
  await using cluster = await Cluster.start();
  await using worker = await cluster.connectedWorker("a");
  const joined = worker.events[0] ?? { event: "none" };
  const row = await cluster.node(
    String(joined["node"]),
    ({ status }) => status === "ready",
  );
  // Fields may be added: the clock is one.
  const { clockSkewMs: _, ...fields } = row;
  assertEquals(Object.keys(fields).sort(), [
    ...["address", "certificate", "hostname", "id", "lastSeen", "role"],
    ...["status", "trustRoot", "version"],
  ]);
  assertEquals(Object.keys(row.certificate).sort(), [
    ...["fingerprint256", "issuer", "notAfter", "notBefore", "serial"],
  ]);
  assertEquals(row.role, "worker");
  assertEquals(row["hostname"], Deno.hostname());
  assertEquals(row["address"], "127.0.0.1");
  assertEquals(row["trustRoot"], cluster.ready["rootDigest"]);
  assertEquals(row.certificate["serial"], joined["serial"]);
  assertEquals(row.certificate["issuer"], joined["issuer"]);
  const lastSeen = Date.parse(String(row["lastSeen"]));
  assert(Math.abs(Date.now() - lastSeen) < 60_000);
});

Deno.test("commands fail each with the exit code of its page, an error and a hint", async () => {
  await using cluster = await Cluster.start();
  await using folder = await TempFolder.make();
  const here = `--state-dir=${cluster.dir()}`;
  const empty = `--state-dir=${folder.path}`;
  const nowhere = `--state-dir=${folder.path}/nowhere`;
  for (
    const [line, wanted, hinted] of [
      [["manager", "run", empty], 3, true],
      [["worker", "run", empty], 3, true],
      [["manager", "run", nowhere], 3, true],
      [["worker", "run", nowhere], 3, true],
      [["node", "ls", nowhere], 3, true],
      [["status", nowhere], 3, true],
      [["cert", "show", empty], 3, true],
      [["node", "ls", empty], 10, true],
      [["node", "inspect", "zzzzzz", here], 18, true],
      [["node", "inspect", "UPPER", here], 2, true],
      [["token", "show", "boss", here], 2, false],
      [["token", "show", here], 2, false],
      [["cert", "show", `${folder.path}/none.pem`], 18, false],
      [["cert", "show", import.meta.filename ?? ""], 6, false],
      [["worker", "join", "127.0.0.1:1", "--token=x", empty], 11, false],
      [["worker", "join", empty], 2, false],
      [["drill", "--for", "1s"], 2, false],
    ] as const
  ) {
    const { code, stdout, stderr } = await swarmd(line);
    const what = `${line.slice(0, 3).join(" ")}: ${stderr}`;
    assertEquals(code, wanted, what);
    assertEquals(stdout, "", what);
    assertMatch(stderr, /^swarmd: error: [A-Z]/, what);
    if (hinted) assertMatch(stderr, /^swarmd: hint: /m, what);
    for (const written of stderr.trimEnd().split("\n")) {
      assertMatch(written, /^swarmd: (error|hint): /, what);
    }
  }
});

Deno.test("manager run and worker run make nothing in a state directory that was mistyped", async () => {
  await using folder = await TempFolder.make();
  const empty = `${folder.path}/empty`;
  await Deno.mkdir(empty);
  for (const command of ["manager", "worker"]) {
    for (const path of [`${folder.path}/mistyped`, empty]) {
      const dir = `--state-dir=${path}`;
      const { code, stderr } = await swarmd([command, "run", dir]);
      assertEquals(code, 3, stderr);
      assertStringIncludes(stderr, path);
    }
  }
  assertEquals(await namesIn(folder.path), ["empty"]);
  assertEquals(await namesIn(empty), []);
});

Deno.test("cert show shows a file without a running node, and says what openssl says", async () => {
  await using cluster = await Cluster.start();
  const path = `${cluster.dir()}/certificates/swarm-node.crt`;
  await cluster.manager.kill();
  const { code, stdout } = await swarmd(["cert", "show", path, "--json"]);
  assertEquals(code, 0);
  const shown = JSON.parse(stdout);
  const { stdout: bytes } = await new Deno.Command("openssl", {
    args: [
      ...["x509", "-in", path, "-noout", "-serial", "-fingerprint", "-sha256"],
      ...["-enddate", "-dateopt", "iso_8601"],
    ],
  }).output();
  const said = new TextDecoder().decode(bytes).toLowerCase();
  assertStringIncludes(said, `serial=${shown.serial}`);
  assertStringIncludes(said.replaceAll(":", ""), shown.fingerprint256);
  const [, end = ""] = /notafter=(.+)/.exec(said) ?? [];
  assertEquals(
    Date.parse(end.replace(" ", "T").toUpperCase()),
    Date.parse(shown.notAfter),
  );
});

Deno.test("version tells version and form, as text and as JSON", async () => {
  const { code, stdout } = await swarmd(["version", "--json"]);
  assertEquals(code, 0);
  const { version, form, deno } = JSON.parse(stdout);
  const binary = Deno.env.has("SWARMD_BINARY");
  assertEquals(form === "source", !binary);
  assertMatch(version, /^\d+\.\d+\.\d+/);
  assertEquals(deno, Deno.version.deno);
  assertStringIncludes((await swarmd(["version"])).stdout, version);
});

Deno.test("--log-format and --log-level decide what standard error is like", async () => {
  await using folder = await TempFolder.make();
  const base = ["manager", "init", "--listen-addr=127.0.0.1:0", "--json"];
  for (
    const [name, flags, env, wanted] of [
      ["a", ["--log-format=json"], {}, /^\{"at":.*"level":"info"/],
      ["b", ["--log-format=text"], {}, /^\d{4}-\S+ info /],
      ["c", [], {}, /^\d{4}-\S+ info /],
      ["d", ["--log-level=error"], {}, /^$/],
      ["e", [], { SWARMD_LOG_FORMAT: "json" }, /^\{"at":/],
      ["f", [], { SWARMD_LOG_LEVEL: "error" }, /^$/],
      ["g", ["--log-level=info"], { SWARMD_LOG_LEVEL: "error" }, / info /],
    ] as const
  ) {
    const dir = `--state-dir=${folder.path}/${name}`;
    await using manager = new Swarmd([...base, dir, ...flags], { env });
    await manager.waitFor("ready");
    const { stderr } = await manager.stop();
    assertMatch(stderr, wanted, name);
  }
});

Deno.test("SWARMD_STATE_DIR is the state directory unless --state-dir names one", async () => {
  await using cluster = await Cluster.start();
  const env = { SWARMD_STATE_DIR: cluster.dir() };
  assertEquals((await swarmd(["status"], { env })).code, 0);
  const other = ["status", `--state-dir=${cluster.dir("none")}`];
  assertEquals((await swarmd(other, { env })).code, 3);
});
