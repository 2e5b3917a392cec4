import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { openIdentityFiles } from "../../lib/disk/identity_files.ts";
import type { StagedKey } from "../../lib/disk/staged_key.ts";
import { modeOf, namesIn, withFolder } from "./testdata/folder.ts";
import { taggedPems } from "./testdata/pems.ts";

const STAGED: StagedKey = {
  keyPem: taggedPems("next").keyPem,
  purpose: "renew",
  createdAt: Date.UTC(2026, 0, 1),
  binding: { token: "t", root: "r" },
};

Deno.test("IdentityFiles keeps a staged key until it is dropped", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    assertEquals(await files.loadStagedKey(), undefined);
    await files.dropStagedKey();
    await files.saveStagedKey(STAGED);
    await files.saveStagedKey({ ...STAGED, purpose: "join" });
    const reopened = await openIdentityFiles(folder);
    assertEquals(await reopened.loadStagedKey(), {
      ...STAGED,
      purpose: "join",
    });
    assertEquals(await modeOf(`${folder}/next.key.json`), "0600");
    assertEquals(await namesIn(folder), ["next.key.json"]);
    await files.dropStagedKey();
    assertEquals(await files.loadStagedKey(), undefined);
    assertEquals(await namesIn(folder), []);
  }));

Deno.test("IdentityFiles.loadStagedKey() refuses what it would not write", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    const broken: unknown[] = [
      null,
      [],
      {},
      { ...STAGED, keyPem: "" },
      { ...STAGED, keyPem: 1 },
      { ...STAGED, purpose: "other" },
      { ...STAGED, createdAt: "now" },
      { ...STAGED, createdAt: 1.5 },
      { ...STAGED, binding: null },
      { ...STAGED, binding: { token: 1 } },
    ];
    for (const value of broken) {
      await Deno.writeTextFile(
        `${folder}/next.key.json`,
        JSON.stringify(value),
      );
      const error = await assertRejects(
        () => files.loadStagedKey(),
        SwarmdError,
      );
      assertEquals(error.code, "damaged-state");
    }
  }));

Deno.test("IdentityFiles keeps its state", () =>
  withFolder(async (folder) => {
    const files = await openIdentityFiles(folder);
    assertEquals(await files.loadState(), undefined);
    await files.saveState({ cluster: "c" });
    assertEquals(await files.loadState(), { cluster: "c" });
    assertEquals(await modeOf(`${folder}/state.json`), "0600");
  }));
