/** Writes to a store until it is killed, and says what was acknowledged. */
import { openSqliteStore } from "../../../lib/store/sqlite.ts";
import { sampleEntry, sampleNode } from "../../contracts/store_samples.ts";

const [path = "", start = ""] = Deno.args;
const store = await openSqliteStore(path);
let next = Number(start);

async function write(): Promise<never> {
  for (;;) {
    const id = String(next++);
    await store.update((t) => {
      t.put("node", id, sampleNode(id, Number(id)));
      t.append("audit", sampleEntry(id));
    });
    Deno.stdout.writeSync(new TextEncoder().encode(`${id}\n`));
  }
}

// Eight at a time: most commits carry more than one.
await Promise.all(Array.from({ length: 8 }, write));
