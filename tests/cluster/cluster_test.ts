import { assertEquals } from "@std/assert";
import { roleOfToken } from "../../lib/cluster/cluster.ts";
import { cluster } from "./samples.ts";

Deno.test("roleOfToken() knows the standing tokens and no others", () => {
  const cases = [
    ["token worker", "worker"],
    ["token manager", "manager"],
    ["token Worker", undefined],
    ["", undefined],
    ["toString", undefined],
  ] as const;
  for (const [id, role] of cases) {
    assertEquals(roleOfToken(cluster(), id), role);
  }
});
