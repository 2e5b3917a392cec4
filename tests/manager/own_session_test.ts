import { assert, assertEquals, assertRejects } from "@std/assert";
import { toBase64 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { HOUR } from "../../lib/base/time.ts";
import type { NodePeer } from "../../lib/cluster/admission.ts";
import { decodePem } from "../../lib/pki/pem.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { codeOf, newSession } from "./caller.ts";
import { House } from "./house.ts";
import { operate } from "./operate.ts";
import { Running } from "./running.ts";

async function start() {
  const house = await House.open();
  const running = await Running.start(house);
  await house.clock.advance(HOUR);
  const stolen = () => {
    const { chainPem = "" } = running.credentials.at(-1) ?? {};
    return decodePem(chainPem, "CERTIFICATE");
  };
  const alarms = async () => {
    const { body } = await running.get("/v1/status");
    return (body as { alarms: string[] }).alarms;
  };
  return { house, running, stolen, alarms };
}

Deno.test("Frontdesk opens no session for this manager's own identity, and says that it is stolen", async () => {
  const { house, running, stolen, alarms } = await start();
  await using _ = running;
  const before = house.manager;
  assertEquals(await alarms(), []);
  for (const resume of [false, true]) {
    const thief = running.connect(stolen());
    const hello = await thief.hello(newSession(house.newId(), { resume }));
    assertEquals(codeOf(hello), "not-owner");
    await house.clock.advance(50);
    assert(thief.closed);
  }
  assertEquals(house.manager.certificates, before.certificates);
  const entries = await house.store.entries("audit", { after: 0, limit: 99 });
  const refused = entries.filter(({ action }) => action === "refused");
  assertEquals(refused.map(({ node, by }) => [node, by]), [
    [before.id, "10.0.0.9"],
  ]);
  const lines = house.logged.filter(({ message }) =>
    message === "Somebody uses this manager's own key"
  );
  assertEquals(lines.map(({ level }) => level), ["error"]);
  const [alarm] = await alarms();
  assert(alarm?.includes(`swarmd node renew ${before.id}`), alarm);
  // With another key the stolen one is no alarm any more.
  await operate(running, "nodes/renew", { ids: [before.id], all: false });
  assertEquals(await alarms(), []);
});

Deno.test("Handlers renew, recover and remove nothing in this manager's own name", async () => {
  const { house, running, stolen } = await start();
  await using _ = running;
  const { id: nodeId, certificates: { current } } = house.manager;
  const key = await house.crypto.generateKey();
  const csr = toBase64(await createCsr(house.crypto, key));
  // Where no session is opened none of these comes so far: a second line.
  const peer: NodePeer = {
    ...{ kind: "node", nodeId, role: "manager", certificate: "current" },
    fingerprint: current?.fingerprint ?? "",
    notAfter: current?.notAfter ?? 0,
  };
  for (const method of ["node.renew", "node.leave"] as const) {
    const call = { params: { csr }, peer, address: "10.0.0.9" };
    const { desk } = running.manager;
    const error = await assertRejects(
      async () => await desk.serveOutside(method, call),
      SwarmdError,
    );
    assertEquals(error.code, "not-owner", method);
  }
  const old = stolen();
  await operate(running, "nodes/renew", { ids: [nodeId], all: false });
  await house.clock.advance(HOUR);
  const thief = running.connect(old);
  await thief.hello();
  assertEquals(await thief.refusal("recover", { csr }), "not-owner");
  const { body } = await running.get("/v1/applicants");
  assertEquals(body, []);
});
