import { assertEquals } from "@std/assert";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import {
  namedSecrets,
  replaceSealed,
  staleSecrets,
  versionsIn,
} from "../../lib/manager/sealed_values.ts";
import { cluster } from "../cluster/samples.ts";

const sealed = (version: number, data: string) => ({ version, data });

function sample(): ClusterRecord {
  const base = cluster();
  const { worker, manager } = base.tokens;
  const target = { ...base.root, generation: 8, key: sealed(2, "target") };
  const made = {
    ...base,
    root: { ...base.root, generation: 7, key: sealed(1, "root") },
    tokens: {
      worker: { ...worker, secret: sealed(2, "worker") },
      manager: { ...manager, secret: sealed(1, "manager") },
    },
    rotation: { target },
  };
  // A rotation has more than what is looked at here.
  return made as unknown as ClusterRecord;
}

Deno.test("namedSecrets() knows the root, the target of a rotation, and the tokens", () => {
  assertEquals(
    namedSecrets(sample()).map(({ name, value }) => `${name} ${value.data}`),
    [
      "root-key/7 root",
      "root-key/8 target",
      "standing-token/worker worker",
      "standing-token/manager manager",
    ],
  );
});

Deno.test("namedSecrets() does without a target's key, a rotation and tokens", () => {
  const { rotation, ...rest } = sample();
  const aborted = {
    ...rest,
    rotation: { target: { ...rotation?.target, key: undefined } },
    tokens: {},
  } as unknown as ClusterRecord;
  const names = (record: ClusterRecord) =>
    namedSecrets(record).map(({ name }) => name);
  assertEquals(names(aborted), ["root-key/7"]);
  assertEquals(names(rest).length, 3);
});

Deno.test("staleSecrets() plans what is old, and no more than it may", () => {
  const planned = (version: number, limit = 16) =>
    staleSecrets(sample(), { version, limit }).map(({ value }) => value.data);
  assertEquals(planned(1), ["target", "worker"]);
  assertEquals(planned(2), ["root", "manager"]);
  assertEquals(planned(3), ["root", "target", "worker", "manager"]);
  assertEquals(planned(3, 3), ["root", "target", "worker"]);
});

Deno.test("versionsIn() finds keys in use anywhere, also where nobody knows their name", () => {
  assertEquals(versionsIn(sample()), new Set([1, 2]));
  const strange = { list: [{ deep: sealed(9, "x") }], version: 5, data: null };
  assertEquals(versionsIn(strange), new Set([9]));
  for (const nothing of [undefined, null, 1, "x", {}, []]) {
    assertEquals(versionsIn(nothing), new Set());
  }
});

Deno.test("replaceSealed() replaces by data, wherever that is by now, and nothing else", () => {
  const before = sample();
  const after = replaceSealed(before, new Map([["root", sealed(3, "new")]]));
  assertEquals(after, {
    ...before,
    root: { ...before.root, key: sealed(3, "new") },
  });
  const list = [{ key: sealed(1, "root") }, { key: sealed(1, "other") }];
  assertEquals(
    replaceSealed(list, new Map([["root", sealed(3, "new")]])),
    [{ key: sealed(3, "new") }, { key: sealed(1, "other") }],
  );
});
