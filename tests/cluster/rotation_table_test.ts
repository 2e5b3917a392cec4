import { assert, assertEquals } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY } from "../../lib/base/time.ts";
import type { ClusterRecord } from "../../lib/cluster/cluster.ts";
import {
  abort,
  cutOver,
  finish,
  orderBase,
  replace,
  start,
} from "../../lib/cluster/root_rotation.ts";
import {
  bundleOf,
  issuerFor,
  tokenRootOf,
} from "../../lib/cluster/root_views.ts";
import { advance } from "../../lib/cluster/rotation_steps.ts";
import { factsOfRoot, orderFor, symbolicCluster } from "./rotation_symbols.ts";
import { NOW } from "./samples.ts";

const DOCUMENT = new URL("../../docs/trust.md", import.meta.url);

/** The rows of the table with a column of that name, by their first cell. */
async function tableWith(column: string): Promise<Map<string, string[]>> {
  const lines = (await Deno.readTextFile(DOCUMENT)).split("\n");
  const head = lines.findIndex((line) =>
    line.startsWith("|") && line.includes(`| ${column} `)
  );
  assert(head >= 0, column);
  const rows = new Map<string, string[]>();
  for (const line of lines.slice(head + 2)) {
    if (!line.startsWith("|")) break;
    const [name = "", ...cells] = line.split("|").slice(1, -1)
      .map((cell) => cell.trim());
    rows.set(name, cells);
  }
  return rows;
}

/** As if everyone had always been done. */
function over(cluster: ClusterRecord): ClusterRecord | undefined {
  return advance(cluster, { nodes: [], now: NOW });
}

function mustBeOver(cluster: ClusterRecord, times: number): ClusterRecord {
  let now = cluster;
  for (let i = 0; i < times; i++) now = over(now) ?? now;
  return now;
}

/** Every state of the tables. */
function states(): Map<string, ClusterRecord> {
  const stable = symbolicCluster();
  const begun = (trustFirst: boolean) =>
    start(stable, orderFor(stable, { name: "H", now: NOW, trustFirst }));
  const [crossed, foreign] = [begun(false), begun(true)];
  const back = (cluster: ClusterRecord) =>
    abort(cluster, { id: cluster.rotation?.id ?? "", now: NOW });
  return new Map([
    ["stable(G)", stable],
    ["renewing", crossed],
    ["trusting", mustBeOver(crossed, 1)],
    ["returning", back(crossed)],
    ["stable(H)", mustBeOver(crossed, 2)],
    ["stable(G), trust-first", stable],
    ["trusting, trust-first", foreign],
    ["renewing, trust-first", mustBeOver(foreign, 1)],
    ["switching", mustBeOver(foreign, 2)],
    ["recalling", back(mustBeOver(foreign, 2))],
    ["returning, trust-first", back(foreign)],
  ]);
}

/** What the table calls a state that something led to. */
function nameOf(before: ClusterRecord, after: ClusterRecord): string {
  const { rotation, root } = after;
  if (!rotation) return root.certificate === "G" ? "stable(G)" : "stable(H)";
  const another = before.rotation && rotation.id !== before.rotation.id;
  const soon = rotation.finishAt !== undefined;
  return `${rotation.phase}${another ? "¹" : ""}${soon ? ", soon" : ""}`;
}

function outcome(
  cluster: ClusterRecord,
  change: (cluster: ClusterRecord) => ClusterRecord | undefined,
): string {
  try {
    const after = change(cluster);
    return after ? nameOf(cluster, after) : "";
  } catch (error) {
    if (error instanceof SwarmdError) return "refused";
    throw error;
  }
}

Deno.test("docs/trust.md says where each change of a rotation leads, in every phase", async () => {
  const table = await tableWith("`abort`");
  const all = states();
  assertEquals(
    [...table.keys()].toSorted(),
    [...all.keys()].filter((name) => name !== "stable(H)").toSorted(),
  );
  for (const [name, cells] of table) {
    const cluster = all.get(name);
    assert(cluster);
    const id = cluster.rotation?.id ?? "";
    const trustFirst = name.endsWith("trust-first") ||
      cluster.rotation?.trustFirst === true;
    const order = orderFor(cluster, { name: "I", now: NOW, trustFirst });
    const { target } = order;
    const cut = {
      target,
      present: factsOfRoot("G"),
      from: orderBase(cluster),
    };
    const found = [
      outcome(
        cluster,
        (c) =>
          c.rotation ? replace(c, { ...order, replaces: id }) : start(c, order),
      ),
      outcome(cluster, (c) => abort(c, { id, now: NOW })),
      outcome(cluster, (c) => finish(c, { id, now: NOW })),
      outcome(cluster, over),
      outcome(cluster, (c) => cutOver(c, cut)),
    ];
    assertEquals(found, cells, name);
  }
});

Deno.test("docs/trust.md says who issues, what nodes trust and what tokens pin, in every phase", async () => {
  const table = await tableWith("leaves are issued by");
  const all = states();
  all.delete("stable(G), trust-first");
  assertEquals([...table.keys()].toSorted(), [...all.keys()].toSorted());
  for (const [name, [issuer = "", , trusted, pinned]] of table) {
    const cluster = all.get(name);
    assert(cluster);
    const ready = issuerFor(cluster, {
      role: "worker",
      trusts: "G+H",
      now: NOW + DAY,
    });
    assertEquals(ready.root.certificate, issuer.slice(0, 1), name);
    const roots = bundleOf(cluster).roots.map((root) => root.certificate);
    assertEquals(roots.join(" and "), trusted, name);
    assertEquals(tokenRootOf(cluster).certificate, pinned, name);
  }
});
