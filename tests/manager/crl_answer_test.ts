import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { SECOND } from "../../lib/base/time.ts";
import {
  CrlAnswers,
  type RemoteRequest,
} from "../../lib/manager/crl_answer.ts";
import type { RevocationList } from "../../lib/manager/revocation_lists.ts";
import { FakeClock } from "../fakes/clock.ts";

const ETAG = '"ab01"';
const LIST: RevocationList = {
  der: utf8("list"),
  etag: ETAG,
  number: 1,
  thisUpdate: 0,
  nextUpdate: 1,
};

/** Answers over lists that only know what they were asked for. */
function answering(error?: Error) {
  const clock = new FakeClock();
  const asked: (string | undefined)[] = [];
  const get = (issuer?: string) => {
    asked.push(issuer);
    return error ? Promise.reject(error) : Promise.resolve(LIST);
  };
  const answers = new CrlAnswers({ get }, clock);
  const ask = (change: Partial<RemoteRequest> & { host?: string } = {}) => {
    const { host = "10.0.0.1", ...request } = change;
    const facts = {
      remote: { host, port: 1 },
      tlsVersion: "TLSv1.3",
      resumed: false,
      presented: [],
    };
    const what = { method: "GET", path: "/v1/ca/crl" };
    return answers.answer({ ...what, facts, ...request });
  };
  return { clock, asked, ask };
}

Deno.test("answer() gives the list of the issuer that is asked for, to anyone", async () => {
  const { ask, asked } = answering();
  assertEquals(await ask(), {
    status: 200,
    headers: { "content-type": "application/pkix-crl", etag: ETAG },
    body: LIST.der,
  });
  await ask({ query: new URLSearchParams("issuer=AB01&x=1") });
  await ask({ query: new URLSearchParams("x=1") });
  assertEquals(asked, [undefined, "ab01", undefined]);
});

Deno.test("answer() sends nothing that the client has", async () => {
  const { ask } = answering();
  const cases: readonly (readonly [string | undefined, number])[] = [
    [undefined, 200],
    [ETAG, 304],
    [`W/${ETAG}`, 304],
    ["*", 304],
    [`"x", ${ETAG} ,"y"`, 304],
    ['"ab0"', 200],
    ["ab01", 200],
    ["", 200],
  ];
  for (const [header, status] of cases) {
    const headers = header === undefined ? {} : { "if-none-match": header };
    const answer = await ask({ headers });
    assertEquals(answer.status, status, header);
    assertEquals(answer.headers["etag"], ETAG);
    assertEquals(answer.body.length, status === 304 ? 0 : 4);
  }
});

Deno.test("answer() refuses what is no key id, without looking for it", async () => {
  const { ask, asked } = answering();
  for (const issuer of ["", "a", "xy", "ab".repeat(65), "ab%00"]) {
    const query = new URLSearchParams({ issuer });
    assertEquals((await ask({ query })).status, 400, issuer);
  }
  for (const method of ["POST", "HEAD", "DELETE"]) {
    assertEquals((await ask({ method })).status, 400, method);
  }
  assertEquals(asked, []);
});

Deno.test("answer() says in HTTP why there is no list", async () => {
  const cases = [
    ["not-found", 404],
    ["not-supported", 501],
    ["disk", 500],
  ] as const;
  for (const [code, status] of cases) {
    const { ask } = answering(new SwarmdError(code, "Cannot: no"));
    const answer = await ask();
    assertEquals(answer.status, status);
    assert(typeof answer.body === "string");
    assertEquals(JSON.parse(answer.body).error.code, code);
  }
});

Deno.test("answer() slows an address down, and nobody else", async () => {
  const { ask, asked, clock } = answering();
  const count = async (host: string, status: number) => {
    let found = 0;
    for (let i = 0; i < 60; i++) {
      if ((await ask({ host })).status === status) found++;
    }
    return found;
  };
  assertEquals(await count("10.0.0.1", 429), 10);
  assertEquals(asked.length, 50);
  assertEquals(await count("2001:db8::1", 200), 50);
  // A /64 is one site
  assertEquals(await count("2001:db8::ffff", 200), 0);
  await clock.advance(SECOND);
  assertEquals(await count("10.0.0.1", 200), 2);
});
