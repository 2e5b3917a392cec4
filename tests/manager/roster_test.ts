import { assertEquals } from "@std/assert";
import type { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, MINUTE, SECOND } from "../../lib/base/time.ts";
import type { NodePeer } from "../../lib/cluster/admission.ts";
import { type Admitted, Roster } from "../../lib/manager/roster.ts";
import { House } from "./house.ts";

/** A connection that notes what it is told. */
class Fake implements Admitted {
  readonly admittedAs: string;
  readonly told: string[] = [];
  looks = 0;
  #peer: NodePeer | undefined;

  constructor(peer: NodePeer) {
    this.admittedAs = peer.nodeId;
    this.#peer = peer;
  }

  get nodePeer(): NodePeer | undefined {
    this.looks++;
    return this.#peer;
  }

  rejudge(peer: NodePeer): void {
    this.#peer = peer;
    this.told.push(peer.certificate);
  }

  refuse({ code }: SwarmdError): void {
    this.told.push(code);
  }

  /** Its peer is no node any more. */
  falls(): void {
    this.#peer = undefined;
  }
}

async function openRoster() {
  const house = await House.open();
  const node = await house.addSeenNode();
  const { current } = house.node(node.id).certificates;
  const roster = new Roster(house);
  const connect = () => {
    const connection = new Fake({
      kind: "node",
      nodeId: node.id,
      role: "worker",
      certificate: "current",
      fingerprint: current?.fingerprint ?? "",
      notAfter: current?.notAfter ?? 0,
    });
    roster.add(connection, node.id);
    return connection;
  };
  return { house, node, roster, connect };
}

Deno.test("Roster judges at once who is added, and every connection of a node when told", async () => {
  const { house, node, roster, connect } = await openRoster();
  const [first, second] = [connect(), connect()];
  assertEquals([first.told, second.told], [["current"], ["current"]]);
  await house.change(node.id, { admission: "suspended" });
  roster.rejudge(node.id);
  roster.rejudge("another");
  assertEquals(first.told, ["current", "suspended"]);
  assertEquals(second.told, ["current", "suspended"]);
  await house.remove(node.id);
  assertEquals(connect().told, ["removed"]);
});

Deno.test("Roster.sweep() judges only what time changes", async () => {
  const { house, node, roster, connect } = await openRoster();
  const connection = connect();
  const views = { count: 0 };
  const { store } = house;
  const counting = new Roster({
    clock: house.clock,
    store: {
      ...store,
      view: (read) => {
        views.count++;
        return store.view(read);
      },
      update: (change) => store.update(change),
      watch: (listener) => store.watch(listener),
      entries: (log, page) => store.entries(log, page),
      erase: () => store.erase(),
      close: () => store.close(),
    },
  });
  counting.add(connection, node.id);
  for (let i = 0; i < 10; i++) counting.sweep();
  assertEquals(views.count, 1);
  await house.renew(node);
  await house.seen(node.id);
  roster.rejudge(node.id);
  assertEquals(connection.told.at(-1), "previous");
  await house.clock.advance(5 * MINUTE - SECOND);
  roster.sweep();
  assertEquals(connection.told.at(-1), "previous");
  await house.clock.advance(SECOND);
  roster.sweep();
  assertEquals(connection.told.at(-1), "replaced");
});

Deno.test("Roster.sweep() refuses whose certificate has ended", async () => {
  const { house, roster, connect } = await openRoster();
  const connection = connect();
  await house.clock.advance(90 * DAY - 1);
  roster.sweep();
  assertEquals(connection.told, ["current"]);
  await house.clock.advance(1);
  roster.sweep();
  assertEquals(connection.told, ["current", "expired"]);
});

Deno.test("Roster forgets a connection that was another's at its end", async () => {
  const { roster, connect } = await openRoster();
  const [one, other] = [connect(), connect()];
  assertEquals(roster.size, 2);
  one.falls();
  roster.remove(one);
  roster.remove(one);
  assertEquals(roster.size, 1);
  roster.remove(other);
  assertEquals(roster.size, 0);
});
