import { assertEquals, assertMatch } from "@std/assert";
import { fromUtf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { answerLocally } from "../../lib/rpc/local_answer.ts";
import { FakeDaemon } from "./fake_daemon.ts";
import { runLine } from "./fake_host.ts";

const NOW = Date.UTC(2026, 0, 1, 12);
const LOCKED = {
  role: "manager",
  state: "locked",
  since: "2026-01-01T11:00:00.000Z",
  version: "0.1.0",
  keyVersion: 3,
};
const OLD = { unlockKey: "SWMKEY-1-3-old", version: 3 };
const NEW = { unlockKey: "SWMKEY-1-4-new", version: 4 };

interface World {
  readonly autolock?: boolean;
  /** Whether the manager refuses to lock anew. */
  readonly refuses?: boolean;
}

/** A manager, and what it was told to do. */
async function manager({ autolock = true, refuses = false }: World = {}) {
  const told: string[] = [];
  const tell = (what: string, answer: unknown) => (body: unknown) => {
    told.push(`${what} ${JSON.stringify(body)}`);
    return answer;
  };
  const lock = () => {
    if (refuses) throw new SwarmdError("disk", "Cannot write");
    return { autolock: true, version: 4 };
  };
  const daemon = await FakeDaemon.answers((request) =>
    answerLocally(request, () => ({ autolock }), {
      "/v1/unlock": tell("unlock", {}),
      "/v1/autolock/key": tell("key", OLD),
      "/v1/autolock/offer": tell("offer", NEW),
      "/v1/autolock/lock": (body) => tell("lock", lock())(body),
      "/v1/autolock/off": tell("off", {}),
    })
  );
  return { daemon, told, [Symbol.asyncDispose]: () => close(daemon) };
}

function close(daemon: FakeDaemon): Promise<void> {
  return daemon[Symbol.asyncDispose]();
}

Deno.test("status says that a manager is locked, and which key it wants", async () => {
  await using daemon = await FakeDaemon.knows(() => LOCKED);
  const { code, stdout } = await daemon.run("status", NOW);
  assertEquals(code, 0);
  assertEquals(stdout.split("\n"), [
    "role     manager",
    "state    locked, since 2026-01-01T11:00:00Z (1h ago)",
    "wants    the unlock key of version 3",
    "version  0.1.0",
    "",
  ]);
  const json = await daemon.run("status --json", NOW);
  assertEquals(JSON.parse(json.stdout), LOCKED);
});

Deno.test("unlock sends what it finds, and shows it nowhere", async () => {
  let sent = "";
  await using daemon = await FakeDaemon.answers(({ body }) => {
    sent = fromUtf8(body ?? new Uint8Array());
    return Promise.resolve({ status: 200, headers: {}, body: "{}" });
  });
  const argv = ["unlock", "--state-dir", daemon.stateDir];
  const { code, stdout, stderr } = await runLine(argv, {
    answer: OLD.unlockKey,
  });
  assertEquals([code, stdout, stderr], [0, "unlocked\n", ""]);
  assertEquals(JSON.parse(sent), { unlockKey: OLD.unlockKey });
});

Deno.test("unlock takes no key from the command line", async () => {
  for (const given of [[OLD.unlockKey], ["--key", OLD.unlockKey]]) {
    const { code, stderr } = await runLine(["unlock", ...given]);
    assertEquals(code, 2);
    assertEquals(stderr.includes("3-old"), false, stderr);
  }
});

Deno.test("unlock-key shows the present key", async () => {
  await using rig = await manager();
  const { stdout } = await rig.daemon.run("unlock-key -q");
  assertEquals(stdout, `${OLD.unlockKey}\n`);
  const json = await rig.daemon.run("unlock-key --json");
  assertEquals(JSON.parse(json.stdout), OLD);
});

Deno.test("unlock-key --rotate shows the new key before it has it count", async () => {
  await using rig = await manager();
  const { code, stdout } = await rig.daemon.run("unlock-key --rotate --json");
  assertEquals(code, 0);
  assertEquals(stdout.trim().split("\n").map((line) => JSON.parse(line)), [
    { event: "offered", ...NEW },
    { event: "locked", autolock: true, version: 4 },
  ]);
  const body = JSON.stringify({ unlockKey: NEW.unlockKey });
  assertEquals(rig.told, ["key {}", "offer {}", `lock ${body}`]);
});

Deno.test("unlock-key --rotate that fails has shown the key, and says to keep both", async () => {
  await using rig = await manager({ refuses: true });
  const { code, stdout, stderr } = await rig.daemon.run("unlock-key --rotate");
  assertEquals(code, 8);
  assertMatch(stdout, /SWMKEY-1-4-new/);
  assertMatch(stderr, /warning: .*keep it and the old one/);
});

Deno.test("cluster update --autolock changes what is otherwise", async () => {
  const cases = [
    [false, "on", ["offer", "lock"]],
    [true, "on", []],
    [true, "off", ["off"]],
    [false, "off", []],
  ] as const;
  for (const [autolock, wanted, told] of cases) {
    await using rig = await manager({ autolock });
    const line = `cluster update --autolock ${wanted}`;
    const { code } = await rig.daemon.run(line);
    assertEquals(code, 0);
    assertEquals(rig.told.map((each) => each.split(" ")[0]), [...told]);
  }
});
