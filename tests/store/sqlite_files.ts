import { DatabaseSync } from "node:sqlite";
import type { Store } from "../../lib/cluster/store.ts";
import { openSqliteStore } from "../../lib/store/sqlite.ts";

/** Runs a test with the path of a store in a folder that is removed after. */
export async function withPath(
  test: (path: string) => Promise<unknown>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "swarmd-store-" });
  try {
    await test(`${folder}/swarmd.db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Opens the store for a moment. */
export async function withOpen<T>(
  path: string,
  use: (store: Store) => T | Promise<T>,
): Promise<T> {
  const store = await openSqliteStore(path);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Runs SQL on a file, as another program would. */
export function runSql(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

/** What is in a file, one character a byte. */
export async function bytesAsText(path: string): Promise<string> {
  return new TextDecoder("latin1").decode(await Deno.readFile(path));
}
