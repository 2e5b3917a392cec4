import { assert, assertEquals, assertMatch } from "@std/assert";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { fromUtf8 } from "../../lib/base/bytes.ts";
import type { AuditRecord } from "../../lib/cluster/audit.ts";
import { canonicalEntry, GENESIS } from "../../lib/cluster/audit_chain.ts";
import { Cluster } from "./cluster.ts";
import { eventually, type Swarmd, swarmd } from "./harness.ts";

/** Exit code of a log that is not what it was. */
const BROKEN = 24;

Deno.test("audit tail, export and verify: who did what and why, and that nothing was changed", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  const node = nodeOf(worker);
  await cluster.ask("node", "suspend", node);
  await worker.waitFor("disconnected");
  const lines = await eventually("a refusal in the log", async () => {
    const found = await exported(cluster);
    return found.some(({ action }) => action === "refused") ? found : undefined;
  });
  const about = lines.filter((entry) => entry.node === node);
  assertEquals(about.map(({ action }) => action), [
    "issued",
    "promoted",
    "suspended",
    "refused",
  ]);
  const [issued, , suspended, refused] = about;
  assertMatch(String(issued?.why), /^token [0-9a-z]{25}$/);
  assertEquals([issued?.by, suspended?.by], ["127.0.0.1", "operator"]);
  assertMatch(String(issued?.serial), /^[0-9a-f]{30,40}$/);
  assertMatch(String(refused?.why), /^suspended: /);
  // What is exported is what the hashes are made of.
  assertEquals(lines[0]?.previous, GENESIS);
  for (const [i, entry] of lines.slice(1).entries()) {
    assertEquals(entry.previous, hashOf(lines[i] as AuditRecord));
  }
  const dir = `--state-dir=${cluster.dir()}`;
  const tail = await swarmd(["audit", "tail", "-n", "1", dir]);
  assertMatch(
    tail.stdout,
    /^\d+ {2}\S+Z {2}refused {2}node=.*suspended: .*\n$/,
  );
  const { intact, entries, from } = await verify(cluster);
  assertEquals([intact, entries, from], [true, lines.length, 1]);
  const stranger = await swarmd(["audit", "verify", "--against=nobody", dir]);
  assertEquals(stranger.code, 18);
  // A worker has none.
  const worker_ = `--state-dir=${cluster.dir("a")}`;
  assertEquals((await swarmd(["audit", "tail", worker_])).code, 17);
});

Deno.test("audit tail --follow shows what comes, when it comes", async () => {
  await using cluster = await Cluster.start();
  const dir = `--state-dir=${cluster.dir()}`;
  const tail = cluster.start(["audit", "tail", "-f", "-n1", "--json", dir]);
  await tail.waitForText('"promoted"');
  const node = nodeOf(await cluster.connectedWorker("a"));
  await tail.waitForText(`"issued","node":"${node}"`);
});

Deno.test("audit verify finds what was changed in the file while the manager was stopped", async () => {
  await using cluster = await Cluster.start();
  await cluster.connectedWorker("a");
  await stopManager(cluster);
  const log = readLog(cluster);
  const { length } = log;
  assert(length >= 5);
  const changed = (at: number) => ({ ...log[at - 1], by: "nobody" });
  const cases: [string, (database: DatabaseSync) => void, number, RegExp][] = [
    ["an entry", (db) => put(db, changed(3)), 3, /^entry 3 has the hash/],
    [
      "the last entry",
      (db) => put(db, changed(length)),
      length,
      /head/,
    ],
    ["no entry", (db) => drop(db, 3), 3, /^entry 4 stands where entry 3/],
    ["no last entry", (db) => drop(db, length), length, /ends after entry/],
    [
      "nonsense",
      (db) => raw(db, { at: 3, value: "{" }),
      3,
      /audit "3" is damaged/,
    ],
  ];
  for (const [what, change, sequence, why] of cases) {
    await Deno.copyFile(fileOf(cluster), `${fileOf(cluster)}.good`);
    using database = new DatabaseSync(fileOf(cluster));
    change(database);
    database.close();
    await cluster.runManager();
    const found = await verify(cluster);
    assertEquals([found.code, found.sequence], [BROKEN, sequence], what);
    assertMatch(String(found.why), why);
    await stopManager(cluster);
    await Deno.rename(`${fileOf(cluster)}.good`, fileOf(cluster));
  }
});

Deno.test("audit verify --against finds a log that was written anew, hashes, signature and all", async () => {
  await using cluster = await Cluster.start();
  const worker = await cluster.connectedWorker("a");
  const node = nodeOf(worker);
  const workerDir = `--state-dir=${cluster.dir("a")}`;
  const status = async () =>
    (await swarmd(["status", "--json", workerDir])).stdout;
  await eventually(
    "a head on the worker",
    async () => (await status()).includes('"auditHead"') || undefined,
  );
  const agreed = await eventually("the worker's head here", async () => {
    const answer = await verify(cluster, node);
    return answer.intact ? answer : undefined;
  });
  assertEquals(agreed.compared, [`node ${node}`]);
  const files = [`${cluster.dir()}.jsonl`, `${cluster.dir()}.head`];
  const dir = `--state-dir=${cluster.dir()}`;
  const export_ = await swarmd(["audit", "export", dir]);
  await Deno.writeTextFile(files[0] ?? "", export_.stdout);
  await Deno.writeTextFile(files[1] ?? "", await status());
  for (const file of files) assert((await verify(cluster, file)).intact);
  await stopManager(cluster);
  // The manager itself is the attacker: it has the key, so that the head that
  // is stored can be dropped, and is signed anew.
  const log = readLog(cluster);
  rewrite(cluster, [
    ...log.slice(0, 1),
    ...log.slice(1).map((entry, i) =>
      i === 0 ? { ...entry, by: "nobody" } : entry
    ),
  ]);
  await cluster.runManager();
  await eventually(
    "another head",
    async () => (await verify(cluster)).signed || undefined,
  );
  assertEquals((await verify(cluster)).intact, true);
  for (const file of files) {
    assertEquals((await verify(cluster, file)).code, BROKEN, file);
  }
  const found = await eventually("the worker's word", async () => {
    const answer = await verify(cluster, node);
    return answer.code === BROKEN ? answer : undefined;
  });
  assertMatch(String(found.why), new RegExp(`the head of node ${node}`));
  await Deno.writeTextFile(files[1] ?? "", "{}\n");
  assertEquals((await verify(cluster, files[1])).code, 2);
});

Deno.test("a worker says so when its manager's log is shorter than it was", async () => {
  await using cluster = await Cluster.start();
  await cluster.connectedWorker("a");
  const dir = `--state-dir=${cluster.dir("a")}`;
  const status = async () =>
    JSON.parse((await swarmd(["status", "--json", dir])).stdout);
  const head = async () =>
    (await status()).auditHead as { sequence: number } | undefined;
  await eventually("a head on the worker", head);
  await stopManager(cluster);
  // A manager that stops hands out its last head.
  const kept = await head();
  assert(kept);
  rewrite(cluster, readLog(cluster).slice(0, kept.sequence - 1));
  await cluster.runManager();
  const alarm = await eventually(
    "the alarm",
    async () => (await status()).auditAlarm as string | undefined,
  );
  assertMatch(alarm, /had signed it up to \d+$/);
  assertEquals((await status()).auditHead, kept);
});

interface Verified {
  readonly code: number;
  readonly intact?: boolean;
  readonly entries?: number;
  readonly from?: number;
  readonly sequence?: number;
  readonly why?: string;
  readonly signed?: unknown;
  readonly compared?: readonly string[];
}

async function verify(cluster: Cluster, against?: string): Promise<Verified> {
  const { code, stdout } = await swarmd([
    ...["audit", "verify", "--json", `--state-dir=${cluster.dir()}`],
    ...against === undefined ? [] : [`--against=${against}`],
  ]);
  return { code, ...stdout === "" ? {} : JSON.parse(stdout) };
}

async function exported(cluster: Cluster): Promise<AuditRecord[]> {
  const dir = `--state-dir=${cluster.dir()}`;
  const { stdout } = await swarmd(["audit", "export", "--json", dir]);
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

async function stopManager(cluster: Cluster): Promise<void> {
  Deno.kill(cluster.manager.pid, "SIGTERM");
  await cluster.manager.waitForEnd();
}

function nodeOf(worker: Swarmd): string {
  return String(worker.events[0]?.["node"]);
}

function fileOf(cluster: Cluster): string {
  return `${cluster.dir()}/swarmd.db`;
}

function readLog(cluster: Cluster): AuditRecord[] {
  using database = new DatabaseSync(fileOf(cluster));
  const rows = database.prepare("SELECT value FROM audit ORDER BY sequence")
    .all();
  return rows.map(({ value }) => JSON.parse(String(value)));
}

/** As somebody would who knows the format: the links fit again. */
function rewrite(cluster: Cluster, entries: readonly AuditRecord[]): void {
  using database = new DatabaseSync(fileOf(cluster));
  database.exec("DELETE FROM audit; DELETE FROM head");
  const insert = database.prepare("INSERT INTO audit VALUES (?, ?)");
  let previous = GENESIS;
  for (const each of entries) {
    const entry = { ...each, previous };
    insert.run(entry.sequence, JSON.stringify(entry));
    previous = hashOf(entry);
  }
}

function put(database: DatabaseSync, entry: Partial<AuditRecord>): void {
  const at = entry.sequence ?? 0;
  raw(database, { at, value: JSON.stringify(entry) });
}

function raw(
  database: DatabaseSync,
  { at, value }: { readonly at: number; readonly value: string },
): void {
  const sql = "UPDATE audit SET value = ? WHERE sequence = ?";
  database.prepare(sql).run(value, at);
}

function drop(database: DatabaseSync, at: number): void {
  database.prepare("DELETE FROM audit WHERE sequence = ?").run(at);
}

/** By another implementation than the program's. */
function hashOf(entry: AuditRecord): string {
  const text = fromUtf8(canonicalEntry(entry));
  return createHash("sha256").update(text).digest("hex");
}
