import { unixRequest } from "../../lib/net/unix_http.ts";
import { type Figure, figure, median, short } from "./figure.ts";
import { type Answer, BenchProcess } from "./process.ts";

const NODES = 10_000;
const ROUNDS = 20;
const ROTATIONS = 3;
const MAX_TURN_MS = 20;

/** For how long a manager of many nodes gives nobody else a turn. */
export async function benchTurns(quick: boolean): Promise<Figure[]> {
  const nodes = quick ? 2_000 : NODES;
  const folder = await Deno.makeTempDir({ prefix: "swarmd-bench-" });
  try {
    const args = [`--folder=${folder}`];
    await using manager = new BenchProcess("turns_child.ts", args);
    const { socket } = await manager.answer();
    await manager.ask("fill", { count: nodes });
    const times = quick ? 3 : 9;
    return await measure({ manager, socket: String(socket), nodes, times });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Bench {
  readonly manager: BenchProcess;
  readonly socket: string;
  readonly nodes: number;
  /** How often each is measured. */
  readonly times: number;
}

/** The longest turn of something, each time that it was done. */
type Turns = readonly Answer[];

async function measure(bench: Bench): Promise<Figure[]> {
  const { manager } = bench;
  const rounds = (ahead: boolean) => () =>
    manager.ask("rounds", { count: ahead ? 2 : ROUNDS, ahead });
  const rest = await repeat(bench, () => manager.ask("idle", { ms: 100 }));
  const beside = { what: "idle", turns: rest };
  const longest = async (what: string, work: () => Promise<Answer>) =>
    figureOf(bench, { what, beside, turns: await repeat(bench, work) });
  const asks = (path: string) => () => ask(bench, path);
  const figures = [
    await longest("a quiet round of housekeeping", rounds(false)),
    await longest("a round that looks what to forget", rounds(true)),
    await longest("`status`", asks("/v1/status")),
    await longest("`node ls`", asks("/v1/nodes")),
    await longest("`ca status`", asks("/v1/ca/status")),
  ];
  figures.push(await rotation(bench));
  await manager.ask("deaf", { deaf: true });
  await manager.ask("operate", { path: "/v1/ca/rotate" });
  figures.push(
    await longest("`ca status`, all are behind", asks("/v1/ca/status")),
  );
  return figures;
}

async function repeat(
  { times }: Bench,
  work: () => Promise<Answer>,
): Promise<Turns> {
  await work(); // compiled by then
  const turns: Answer[] = [];
  for (let i = 0; i < times; i++) turns.push(await work());
  return turns;
}

/** What a manager does for one question of its operator, up to the last byte. */
async function ask({ manager, socket }: Bench, path: string): Promise<Answer> {
  await manager.ask("watch");
  const { status, body } = await unixRequest(socket, { method: "GET", path });
  if (status !== 200) throw new Error(`${path}: ${status}: ${body}`);
  return await manager.ask("seen");
}

async function rotation(bench: Bench): Promise<Figure> {
  const { manager } = bench;
  const turns: Answer[] = [];
  const writes: Answer[] = [];
  for (let i = 0; i < ROTATIONS; i++) {
    writes.push(await manager.ask("write"));
    turns.push(await manager.ask("rotate"));
  }
  const took = short(median(numbers(turns, "wallMs")) / 1_000);
  return figureOf(bench, {
    what: "a rotation of the root, from its start to its end",
    ...{ turns, beside: { what: "writes", turns: writes } },
    more: `; it took ${took} s, with nodes that do at once what they are ` +
      "told; beside it, the store alone writes as many records",
  });
}

function figureOf(
  { nodes }: Bench,
  { what, beside, turns, more = "" }: {
    readonly what: string;
    /** What the machine does without us. */
    readonly beside: { readonly what: string; readonly turns: Turns };
    readonly turns: Turns;
    readonly more?: string;
  },
): Figure {
  const took = numbers(turns, "longestMs");
  return figure({
    name: `longest turn of ${what}`,
    value: median(took),
    unit: "ms",
    target: { most: MAX_TURN_MS },
    limit: {
      what: beside.what,
      value: median(numbers(beside.turns, "longestMs")),
    },
    note: `${nodes} nodes; of ${took.length}, the worst is ${
      short(Math.max(...took))
    } ms; by processor time ${
      short(median(numbers(turns, "longestCpuMs")))
    } ms, all threads${more}`,
  });
}

function numbers(turns: Turns, name: string): number[] {
  return turns.map((turn) => Number(turn[name]));
}
