import { assertEquals, assertRejects } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { answerLocally, type Route } from "../../lib/rpc/local_answer.ts";

async function ask(route: Route, method = "GET") {
  const answer = await answerLocally({ method, path: "/v1/x" }, route);
  assertEquals(answer.headers, { "content-type": "application/json" });
  return { status: answer.status, body: JSON.parse(answer.body) };
}

Deno.test("answerLocally() answers with what its route gives, also later", async () => {
  const want = { status: 200, body: { path: "/v1/x" } };
  assertEquals(await ask((path) => ({ path })), want);
  assertEquals(await ask((path) => Promise.resolve({ path })), want);
  assertEquals(await ask(() => null), { status: 200, body: null });
  assertEquals(await ask(() => []), { status: 200, body: [] });
});

Deno.test("answerLocally() finds nothing where the route gives nothing", async () => {
  const { status, body } = await ask(() => undefined);
  assertEquals([status, body.error.code], [404, "not-found"]);
});

Deno.test("answerLocally() answers GET alone, without asking the route", async () => {
  let asked = 0;
  for (const method of ["POST", "PUT", "DELETE", "HEAD", "get", ""]) {
    const { status, body } = await ask(() => asked++, method);
    assertEquals([status, body.error.code], [400, "usage"], method);
  }
  assertEquals(asked, 0);
});

Deno.test("answerLocally() answers an error with its status and body", async () => {
  const error = new SwarmdError("role", "Cannot: no", { hint: "h" });
  const fails: Route[] = [
    () => {
      throw error;
    },
    () => Promise.reject(error),
  ];
  for (const route of fails) {
    const { status, body } = await ask(route);
    assertEquals(status, 403);
    assertEquals(body.error.message, "Cannot: no");
    assertEquals(body.error.hint, "h");
  }
});

Deno.test("answerLocally() hides no programmer's mistake", async () => {
  const route = () => Promise.reject(new TypeError("oops"));
  await assertRejects(() => ask(route), TypeError, "oops");
});
