import { assert, assertEquals } from "@std/assert";
import type { Store } from "../../lib/cluster/store.ts";
import { SeededRandom } from "../fakes/random.ts";
import { withOpen, withPath } from "./sqlite_files.ts";

const KILLS = 10;

Deno.test("update() has lost nothing that it acknowledged when the process is killed", async () => {
  const random = new SeededRandom(1);
  const acknowledged = new Set<string>();
  await withPath(async (path) => {
    let next = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const lines = 20 + random.integer(200);
      for (const id of await writeUntilKilled(path, { next, lines })) {
        acknowledged.add(id);
      }
      next = await withOpen(path, (store) => checkAll(store, acknowledged));
    }
  });
  assert(acknowledged.size >= 20 * KILLS);
});

/** Lets a writer go on from an id, and kills it after so many lines. */
async function writeUntilKilled(
  path: string,
  { next, lines }: { readonly next: number; readonly lines: number },
): Promise<string[]> {
  const script = new URL("./testdata/writer.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, path, String(next)],
    stdout: "piped",
  }).spawn();
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const before = countLines(text);
    text += chunk;
    if (before < lines && countLines(text) >= lines) child.kill("SIGKILL");
  }
  assertEquals((await child.status).signal, "SIGKILL");
  // The last piece is an unfinished line, or empty.
  return text.split("\n").slice(0, -1);
}

/** Whether all is there, and each transaction as a whole; returns a free id. */
async function checkAll(
  store: Store,
  acknowledged: ReadonlySet<string>,
): Promise<number> {
  const nodes = store.view((view) => [...view.list("node")]);
  const ids = new Set(nodes.map((node) => node.id));
  assertEquals(acknowledged.difference(ids), new Set());
  const audited = await readLog(store);
  assertEquals(audited.toSorted(), [...ids].sort());
  return Math.max(...[...ids].map(Number)) + 100;
}

async function readLog(store: Store): Promise<string[]> {
  const reasons: string[] = [];
  for (;;) {
    const page = { after: reasons.length, limit: 1_000 };
    const entries = await store.entries("audit", page);
    if (entries.length === 0) return reasons;
    for (const entry of entries) {
      assertEquals(entry.sequence, reasons.length + 1);
      reasons.push(entry.why ?? "");
    }
  }
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}
