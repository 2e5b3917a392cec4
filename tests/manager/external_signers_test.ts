import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { toBase64, utf8 } from "../../lib/base/bytes.ts";
import { SwarmdError } from "../../lib/base/errors.ts";
import { SECOND } from "../../lib/base/time.ts";
import { CLUSTER } from "../../lib/cluster/store.ts";
import { Authorities } from "../../lib/manager/authorities.ts";
import {
  type AuthoritySource,
  type ExternalAuthority,
  makeRoot,
} from "../../lib/manager/authority_source.ts";
import type { MakeExternalSigner } from "../../lib/manager/external_signers.ts";
import { namedSecrets } from "../../lib/manager/sealed_values.ts";
import type { AuthorityHealth } from "../../lib/pki/signer.ts";
import { localSigner } from "../../lib/signer/local.ts";
import { House } from "./house.ts";

const AUTHORITIES: readonly ExternalAuthority[] = [
  {
    url: "https://a/api",
    profile: "swarmd",
    authKey: utf8("an authentication key"),
    credentials: { rootsPem: "roots of a" },
  },
  {
    url: "https://b/api",
    credentials: {
      rootsPem: "roots of b",
      identity: { chainPem: "chain", keyPem: "a client's key" },
    },
  },
];

/** A house whose authority moved elsewhere; what was made of its record. */
async function moved() {
  const house = await House.open();
  const { root: anchor } = house.authority;
  const source: AuthoritySource = {
    anchor,
    intermediates: [anchor],
    signs: { external: AUTHORITIES },
  };
  const { record } = await makeRoot({
    crypto: house.crypto,
    random: house.random,
    now: house.clock.now(),
    sealing: { version: 1, key: house.clusterKey },
    generation: 1,
    source,
  });
  await house.store.update((tx) =>
    tx.put("cluster", CLUSTER, { ...house.cluster, root: record })
  );
  const made: Parameters<MakeExternalSigner>[0][] = [];
  const health: AuthorityHealth[] = [];
  const state = { checks: 0 };
  const authorities = await Authorities.open({
    ...house,
    keyRing: house.keyRing,
    makeSigner: (authority) => house.signs(authority),
    makeExternalSigner: (parts) => {
      made.push(parts);
      return {
        ...localSigner(house.crypto, house.authority),
        choosesMoments: true,
        check: () => {
          state.checks++;
          return Promise.resolve(health);
        },
        health: () => health,
      };
    },
  });
  return { house, record, made, health, state, authorities };
}

Deno.test("makeRoot() seals what an authority elsewhere is asked with, and Authorities opens it again", async () => {
  const { house, record, made } = await moved();
  assertEquals(made.map(({ authorities }) => authorities), [AUTHORITIES]);
  assertEquals(record.key, undefined);
  const text = JSON.stringify(house.cluster);
  for (const secret of ["an authentication key", "a client's key"]) {
    assertFalse(text.includes(secret));
    assertFalse(text.includes(toBase64(utf8(secret))));
  }
});

Deno.test("namedSecrets() knows what an authority elsewhere is asked with", async () => {
  const { house } = await moved();
  const names = namedSecrets(house.cluster).map(({ name }) => name);
  assert(names.includes("external-auth-key/1/0"), String(names));
  assert(names.includes("external-client-key/1/1"), String(names));
  assertFalse(names.includes("root-key/1"));
});

Deno.test("Authorities signs elsewhere, and vouches for nothing, without the key", async () => {
  const { house, authorities } = await moved();
  const { root } = house.authority;
  const signer = authorities.signerFor({
    role: "worker",
    now: house.clock.now(),
  });
  assertEquals(signer.choosesMoments, true);
  assertEquals(signer.intermediates, [root]);
  assertEquals(authorities.issuers, [{ root: authorities.root }]);
  const error = assertThrows(() => authorities.present, SwarmdError);
  assertEquals([error.code, error.verdict], ["not-supported", "stop"]);
});

Deno.test("ExternalSigners looks at authorities every 30 s, and ticks for none where there are none", async () => {
  const { house, authorities, health, state } = await moved();
  health.push({ url: "https://a/api", fault: "no answer" });
  const end = new AbortController();
  const watching = authorities.external.watch(house.clock, end.signal);
  await house.clock.advance(61 * SECOND);
  assertEquals(state.checks, 3);
  assertEquals(authorities.external.health(), health);
  end.abort();
  await watching.catch(() => {});

  const own = await House.open();
  const stop = new AbortController();
  const idle = own.authorities.external.watch(own.clock, stop.signal);
  await own.clock.advance(SECOND);
  assertEquals(own.clock.pending, 0);
  stop.abort();
  await idle;
});
