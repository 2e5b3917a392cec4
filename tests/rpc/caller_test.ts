import { assert, assertEquals, assertFalse } from "@std/assert";
import { METHODS, parseAs } from "../../lib/rpc/methods.ts";
import { opened, present } from "../manager/present.ts";
import { codeOf } from "../manager/caller.ts";
import { createCsr } from "../../lib/pki/csr.ts";
import { toBase64 } from "../../lib/base/bytes.ts";

/** What somebody would say who speaks in another's name. */
const CLAIMS = [
  ...["node", "nodeId", "id", "role", "peer", "caller", "by", "address"],
  ...["forwarded", "forwarded_cert", "forwarded_cert_cn", "forwarded_cert_ou"],
];

Deno.test("W3: no message says who its sender is, or is read for it", () => {
  for (const [method, { params, callers }] of Object.entries(METHODS)) {
    if (!callers.some((each) => each === "worker" || each === "manager")) {
      continue;
    }
    const fields = "shape" in params ? Object.keys(Object(params.shape)) : [];
    for (const claim of CLAIMS) {
      assertFalse(fields.includes(claim), `${method} reads ${claim}`);
    }
  }
  const claims = Object.fromEntries(CLAIMS.map((claim) => [claim, "other"]));
  const read = parseAs(METHODS["node.leave"].params, {
    value: claims,
    what: "x",
  });
  assertEquals(read, {});
});

Deno.test("W31: a node that leaves, or renews, does so for itself alone, whatever it says", async () => {
  const { house, node, caller } = await opened();
  const other = await present(house);
  const claims = Object.fromEntries(
    CLAIMS.map((claim) => [claim, other.node.id]),
  );
  await house.clock.advance(120_000);
  const before = house.node(other.node.id);
  const key = await house.crypto.generateKey();
  const csr = toBase64(await createCsr(house.crypto, key));
  const renewed = await caller.askInSession("node.renew", { ...claims, csr });
  assert(renewed && "result" in renewed, Deno.inspect(renewed));
  assertEquals((renewed.result as { node: string }).node, node.id);
  const left = await caller.askInSession("node.leave", claims);
  assertEquals(codeOf(left), undefined);
  await house.clock.advance(1_000);
  assertFalse(house.nodes.some(({ id }) => id === node.id));
  assertEquals(house.node(other.node.id), before);
});
