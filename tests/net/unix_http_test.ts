import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/base/bytes.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { HttpHandler } from "../../lib/net/http.ts";
import { serveUnix, unixRequest } from "../../lib/net/unix_http.ts";

const echo: HttpHandler = ({ method, path, query, body, facts }) =>
  Promise.resolve({
    status: 200,
    body: `${method} ${path} ${query} ${fromUtf8(body)} ${facts}`,
  });

const options = { handler: echo, logger: silentLogger };

/** Runs with a folder that does not exist yet. */
async function withFolder(run: (folder: string) => Promise<void>) {
  const above = await Deno.makeTempDir({ prefix: "swarmd-unix-" });
  try {
    await run(`${above}/state`);
  } finally {
    await Deno.remove(above, { recursive: true });
  }
}

async function modeOf(path: string): Promise<number> {
  return ((await Deno.lstat(path)).mode ?? 0) & 0o777;
}

Deno.test("unixRequest() gets what serveUnix() answers", () =>
  withFolder(async (folder) => {
    const path = `${folder}/swarmd.sock`;
    const server = await serveUnix(path, options);
    assertEquals(await modeOf(folder), 0o700);
    assertEquals(await modeOf(path), 0o600);
    const answers = await Promise.all([
      unixRequest(path, { method: "GET", path: "/v1/nodes?all=1" }),
      unixRequest(path, { method: "POST", path: "/x", body: "ü" }),
    ]);
    assertEquals(answers, [
      { status: 200, body: "GET /v1/nodes all=1  undefined" },
      { status: 200, body: "POST /x  ü undefined" },
    ]);
    await server.close();
    await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
  }));

Deno.test("serveUnix() serves curl", () =>
  withFolder(async (folder) => {
    const path = `${folder}/swarmd.sock`;
    const server = await serveUnix(path, options);
    const { stdout } = await new Deno.Command("curl", {
      args: ["-s", "--unix-socket", path, "http://x/a", "http://x/b"],
    }).output();
    assertEquals(fromUtf8(stdout), "GET /a   undefinedGET /b   undefined");
    await server.close();
  }));

Deno.test("serveUnix() takes over a socket that nobody answers on", () =>
  withFolder(async (folder) => {
    const path = `${folder}/swarmd.sock`;
    await Deno.mkdir(folder, { mode: 0o700 });
    // What a killed process leaves behind
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} });
         Deno.kill(Deno.pid, "SIGKILL")`,
      ],
    }).output();
    assert(!success);
    assert((await Deno.lstat(path)).isSocket);
    const server = await serveUnix(path, options);
    const { status } = await unixRequest(path, { method: "GET", path: "/" });
    assertEquals(status, 200);
    await server.close();
  }));

Deno.test("serveUnix() leaves a socket that somebody answers on", () =>
  withFolder(async (folder) => {
    const path = `${folder}/swarmd.sock`;
    const first = await serveUnix(path, options);
    const error = await assertRejects(
      () => serveUnix(path, options),
      SwarmdError,
      "another process serves it",
    );
    assertEquals(error.code, "locked-directory");
    const { status } = await unixRequest(path, { method: "GET", path: "/" });
    assertEquals(status, 200);
    await first.close();
  }));

Deno.test("serveUnix() removes nothing that is not a socket", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(folder, { mode: 0o700 });
    const path = `${folder}/file`;
    await Deno.writeTextFile(path, "precious");
    await assertRejects(
      () => serveUnix(path, options),
      SwarmdError,
      "it is not a socket",
    );
    await Deno.symlink(path, `${folder}/link`);
    await assertRejects(
      () => serveUnix(`${folder}/link`, options),
      SwarmdError,
    );
    assertEquals(await Deno.readTextFile(path), "precious");
  }));

Deno.test("serveUnix() refuses a folder that others may write to", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(folder);
    await Deno.chmod(folder, 0o770);
    const error = await assertRejects(
      () => serveUnix(`${folder}/swarmd.sock`, options),
      SwarmdError,
      "others may write to its folder",
    );
    assertEquals(error.code, "disk");
  }));

Deno.test("serveUnix() says that a path is too long", () =>
  withFolder(async (folder) => {
    const path = `${folder}/${"x".repeat(120)}`;
    const error = await assertRejects(
      () => serveUnix(path, options),
      SwarmdError,
      path,
    );
    assertEquals(error.code, "disk");
  }));

Deno.test("serveUnix() and listenTls() are not moved by the environment", () =>
  withFolder(async (folder) => {
    const path = `${folder}/swarmd.sock`;
    const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = free.addr as Deno.NetAddr;
    free.close();
    const child = new URL("./serve_child.ts", import.meta.url).pathname;
    for (const prefix of ["", "duplicate,"]) {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-lock", "--allow-all", child, path, String(port)],
        env: { DENO_SERVE_ADDRESS: `${prefix}tcp:127.0.0.1:${port}` },
      }).output();
      const want = { status: 200, own: true, other: false };
      assertEquals(fromUtf8(stdout), JSON.stringify(want), fromUtf8(stderr));
    }
  }));

Deno.test("unixRequest() names the socket that is not there", () =>
  withFolder(async (folder) => {
    const path = `${folder}/swarmd.sock`;
    const error = await assertRejects(
      () => unixRequest(path, { method: "GET", path: "/" }),
      SwarmdError,
      `"${path}": no such socket`,
    );
    assertEquals(error.code, "unreachable");
    assert(error.cause instanceof Deno.errors.NotFound);
  }));

interface BadServer {
  readonly answer: string;
  readonly code: string;
  readonly text: string;
}

const OK = "HTTP/1.1 200 OK\r\n";

const BAD_SERVERS: readonly BadServer[] = [
  { answer: "", code: "unreachable", text: "closed the connection" },
  {
    answer: `${OK}content-length: 5\r\n\r\nabc`,
    code: "unreachable",
    text: "the answer broke off",
  },
  { answer: "SSH-2.0-x\r\n", code: "bad-message", text: "not HTTP" },
  {
    answer: `${OK}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    code: "bad-message",
    text: "not HTTP with a length",
  },
];

for (const { answer, code, text } of BAD_SERVERS) {
  Deno.test(`unixRequest() refuses the answer ${JSON.stringify(answer)}`, () =>
    withFolder(async (folder) => {
      await Deno.mkdir(folder);
      const path = `${folder}/sock`;
      const listener = Deno.listen({ transport: "unix", path });
      const serving = (async () => {
        using connection = await listener.accept();
        await connection.read(new Uint8Array(10_000));
        await connection.write(utf8(answer));
      })();
      const error = await assertRejects(
        () => unixRequest(path, { method: "GET", path: "/" }),
        SwarmdError,
        text,
      );
      assertEquals(error.code, code);
      await serving;
      listener.close();
    }));
}

Deno.test("unixRequest() gives up in time", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(folder);
    const path = `${folder}/sock`;
    const listener = Deno.listen({ transport: "unix", path });
    const accepting = listener.accept();
    const error = await assertRejects(
      () => unixRequest(path, { method: "GET", path: "/", timeoutMs: 50 }),
      SwarmdError,
    );
    assertEquals(error.code, "timed-out");
    assertStringIncludes(error.message, "no answer in 50 ms");
    (await accepting).close();
    listener.close();
  }));

Deno.test("unixRequest() refuses a path that would be two lines", async () => {
  await assertRejects(
    () => unixRequest("/x", { method: "GET", path: "/a HTTP/1.1\r\nx: y" }),
    TypeError,
  );
});
