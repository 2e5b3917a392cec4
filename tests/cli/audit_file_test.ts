import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { toHex } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { AuditRecord } from "../../lib/cluster/audit.ts";
import { canonicalEntry } from "../../lib/cluster/audit_chain.ts";
import { readAnchorFile } from "../../lib/cli/audit_file.ts";
import { auditPages } from "../../lib/cli/audit_log.ts";
import { sha256 } from "../fakes/sha256.ts";

const HEAD = {
  sequence: 7,
  hash: "ab".repeat(32),
  at: "2026-01-01T00:00:00.000Z",
  manager: "m",
  certificate: "AAAA",
  signature: "AAAA",
};

Deno.test("readAnchorFile() takes heads, entries, and what status wrote on a node", async () => {
  const status = { role: "worker", auditHead: { ...HEAD, sequence: 9 } };
  const extended = { ...entry(4), newer: "field" };
  const lines = [HEAD, status, entry(3), extended];
  await withFile(`${lines.map((l) => JSON.stringify(l)).join("\n")}\n\n`, {
    async test(path, source) {
      assertEquals(await read(path), {
        witnesses: [
          { head: HEAD, source },
          { head: { ...HEAD, sequence: 9 }, source },
        ],
        points: [{
          sequence: 4,
          hash: toHex(sha256(canonicalEntry(extended))),
          source,
        }],
      });
    },
  });
});

Deno.test("readAnchorFile() reads a long file with one entry in memory", async () => {
  const text = Array.from(
    { length: 20_000 },
    (_, i) => JSON.stringify(entry(i + 1)),
  ).join("\n");
  await withFile(text, {
    async test(path) {
      assertEquals((await read(path))?.points[0]?.sequence, 20_000);
    },
  });
});

Deno.test("readAnchorFile() names the first entry that does not follow the one before it", async () => {
  const first = { ...entry(1), previous: "0".repeat(64) };
  const second = {
    ...entry(2),
    previous: toHex(sha256(canonicalEntry(first))),
  };
  const third = entry(3);
  const written = (...lines: readonly AuditRecord[]) =>
    lines.map((line) => JSON.stringify(line)).join("\n");
  const sound = [
    [first, second, third],
    // Written again from the start, and with some left out
    [first, second, first, second],
    [first, third],
  ];
  for (const lines of sound) {
    await withFile(written(...lines), {
      async test(path) {
        const { sequence } = lines.at(-1) ?? first;
        assertEquals((await read(path))?.points[0]?.sequence, sequence);
      },
    });
  }
  await withFile(written({ ...first, why: "another" }, second, third), {
    async test(path) {
      const error = await assertRejects(() => read(path), SwarmdError);
      assertEquals(error.code, "damaged-state");
      assertStringIncludes(error.message, "line 2, entry 2 does not follow");
    },
  });
});

Deno.test("readAnchorFile() refuses what is neither, and finds no file", async () => {
  const bad = ["", "{}", "nonsense", '{"sequence":1}', "x".repeat(70_000)];
  for (const text of bad) {
    await withFile(text, {
      async test(path) {
        const error = await assertRejects(() => read(path), SwarmdError);
        assertEquals(error.code, "usage", text.slice(0, 20));
      },
    });
  }
  assertEquals(await read("/nowhere/at/all"), undefined);
});

Deno.test("auditPages() ends where it was asked to, and never goes back", async () => {
  const log = [1, 2, 3, 4, 5, 6].map(entry);
  assertEquals(await numbers(log, { after: 1, last: 4 }), [2, 3, 4]);
  assertEquals(await numbers(log, { after: 0, last: 6 }), [1, 2, 3, 4, 5, 6]);
  assertEquals(await numbers(log, { after: 0, last: 9 }), [1, 2, 3, 4, 5, 6]);
  // An entry whose number was changed in the file must not lead in a circle.
  const circular = log.with(3, entry(1));
  const error = await assertRejects(
    () => numbers(circular, { after: 0, last: 6 }),
    SwarmdError,
  );
  assertEquals(error.code, "damaged-state");
});

function entry(sequence: number): AuditRecord {
  return { sequence, at: 1, action: "issued", by: "operator" };
}

function read(path: string) {
  const sha = { sha256: (d: Uint8Array) => Promise.resolve(sha256(d)) };
  return readAnchorFile(path, sha);
}

/** What a manager answers that gives two entries a page, by their places. */
async function numbers(
  log: readonly AuditRecord[],
  range: { readonly after: number; readonly last: number },
): Promise<number[]> {
  const found: number[] = [];
  const post = (_path: string, body: unknown) => {
    const { after } = body as { after: number };
    return Promise.resolve(log.slice(after, after + 2) as never);
  };
  for await (const page of auditPages({ post }, range)) {
    found.push(...page.map(({ sequence }) => sequence));
  }
  return found;
}

async function withFile(
  text: string,
  { test }: { test(path: string, source: string): Promise<void> },
): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, text);
    await test(path, `"${path}"`);
  } finally {
    await Deno.remove(path);
  }
}
