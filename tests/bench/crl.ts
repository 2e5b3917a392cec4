import { type Figure, figure, median, short } from "./figure.ts";
import { BenchProcess } from "./process.ts";

const ENTRIES = 50_000;

/** The revocation list of a long denylist. */
export async function benchCrl(quick: boolean): Promise<Figure[]> {
  await using child = new BenchProcess("crl_child.ts");
  await child.answer();
  await child.ask("fill", { count: ENTRIES });
  await child.ask("build"); // compiled by then
  const took: number[] = [];
  const longest: number[] = [];
  const signed: number[] = [];
  const idle: number[] = [];
  let bytes = 0;
  for (let i = 0; i < (quick ? 2 : 7); i++) {
    const built = await child.ask("build");
    bytes = Number(built["bytes"]);
    took.push(Number(built["wallMs"]));
    longest.push(Number(built["longestMs"]));
    signed.push(Number((await child.ask("sign", { bytes }))["wallMs"]));
    const rest = await child.ask("idle", { ms: built["wallMs"] });
    idle.push(Number(rest["longestMs"]));
  }
  return [
    figure({
      name: `revocation list of ${ENTRIES} entries`,
      value: median(took),
      unit: "ms",
      target: { most: 1_000 },
      limit: { what: "signing", value: median(signed) },
      note: `median of ${took.length}, with its number on the disk; it has ${
        short(bytes / 1e6)
      } MB`,
    }),
    figure({
      name: "longest time for which nobody else had a turn",
      value: median(longest),
      unit: "ms",
      target: { most: 20 },
      limit: { what: "idle", value: median(idle) },
      note: `while it is made: the median of ${longest.length}, the worst is ${
        short(Math.max(...longest))
      } ms`,
    }),
  ];
}
