import { assertEquals, assertMatch } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { LockedApi } from "../../lib/manager/locked_api.ts";

const STATUS = {
  role: "manager",
  state: "locked",
  since: "2026-01-01T00:00:00.000Z",
  version: "1",
  keyVersion: 3,
} as const;

function rig() {
  const tried: string[] = [];
  const api = new LockedApi({
    status: STATUS,
    unlock: (key) => {
      tried.push(key);
      if (key === "right") return Promise.resolve();
      throw new SwarmdError("unlock-refused", "wrong");
    },
  });
  const ask = async (method: string, path: string, body: unknown = {}) => {
    const request = { method, path, body: utf8(JSON.stringify(body)) };
    const { status, body: text } = await api.answer(request);
    return { status, body: JSON.parse(text) };
  };
  return { api, ask, tried };
}

Deno.test("LockedApi answers its status, and nothing else", async () => {
  const { ask } = rig();
  assertEquals(await ask("GET", "/v1/status"), { status: 200, body: STATUS });
  for (const path of ["/v1/nodes", "/v1/tokens/worker", "/v1/ca", "/"]) {
    const { status, body } = await ask("GET", path);
    assertEquals([status, body.error.code], [503, "locked"]);
    assertMatch(body.error.message, /unlock key of version 3 is wanted/);
    assertEquals(body.error.data, { keyVersion: 3 });
  }
  for (const path of ["/v1/nodes/remove", "/v1/autolock/off"]) {
    assertEquals((await ask("POST", path)).body.error.code, "locked");
  }
});

Deno.test("LockedApi hands over once it is unlocked, and who asks meanwhile waits", async () => {
  const { api, ask, tried } = rig();
  const wrong = await ask("POST", "/v1/unlock", { unlockKey: "wrong" });
  assertEquals([wrong.status, wrong.body.error.code], [403, "unlock-refused"]);
  assertEquals((await ask("POST", "/v1/unlock", {})).status, 400);
  const right = await ask("POST", "/v1/unlock", { unlockKey: "right" });
  assertEquals(right, { status: 200, body: {} });
  assertEquals(tried, ["wrong", "right"]);
  const waits = ask("GET", "/v1/nodes");
  api.handOver(({ path }) =>
    Promise.resolve({ status: 200, headers: {}, body: JSON.stringify(path) })
  );
  assertEquals((await waits).body, "/v1/nodes");
  assertEquals((await ask("GET", "/v1/status")).body, "/v1/status");
});
