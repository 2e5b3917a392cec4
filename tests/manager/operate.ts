import { assertEquals } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import type { Running } from "./running.ts";

/** Has a manager do what an operator asks for; gives what it answers. */
export async function operate(
  { api }: Running,
  path: string,
  body: unknown = {},
): Promise<Record<string, unknown>> {
  const answer = await api.operate({
    method: "POST",
    path: `/v1/${path}`,
    body: utf8(JSON.stringify(body)),
  });
  assertEquals(answer.status, 200, answer.body);
  return JSON.parse(answer.body);
}
