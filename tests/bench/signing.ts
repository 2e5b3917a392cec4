import { type Figure, figure, median, short } from "./figure.ts";
import type { Machine } from "./machine.ts";
import { type Answer, BenchProcess } from "./process.ts";

/** Rounds; the machine's limit is measured in each, beside the rest. */
const ROUNDS = 5;

interface Round {
  readonly each: Answer;
  readonly count: number;
}

/** CSR in, certificate out. */
export async function benchSigning(
  machine: Machine,
  quick: boolean,
): Promise<Figure[]> {
  const count = quick ? 100 : 300;
  await using child = new BenchProcess("signing_child.ts");
  await child.answer();
  await child.ask("issuance", { count, width: 16 }); // compiled by then
  const results = new Map<string, Round[]>();
  const crypto: number[] = [];
  for (let round = 0; round < (quick ? 2 : ROUNDS); round++) {
    crypto.push(Number((await child.ask("crypto"))["cpuMs"]));
    for (const [action, width] of CASES) {
      const each = await child.ask(action, { count, width });
      const key = `${action} ${width}`;
      results.set(key, [...results.get(key) ?? [], { each, count }]);
    }
  }
  return CASES.map(([action, width]) =>
    figureOf(results.get(`${action} ${width}`) ?? [], {
      name: NAMES[action],
      width,
      cryptoMs: median(crypto),
      openssl: 1 / (1 / machine.opensslSign + 1 / machine.opensslVerify),
    })
  );
}

const CASES = [
  ["issuance", 1],
  ["issuance", 16],
  ["bare", 1],
  ["bare", 16],
] as const;

const NAMES = {
  issuance: "signing path with durable records",
  bare: "signing path alone",
};

function figureOf(
  rounds: readonly Round[],
  about: {
    readonly name: string;
    readonly width: number;
    /** One check and one signature, in this runtime. */
    readonly cryptoMs: number;
    readonly openssl: number;
  },
): Figure {
  const { name, width, cryptoMs, openssl } = about;
  const of = (what: string) =>
    median(rounds.map(({ each, count }) => Number(each[what]) / count));
  const cpuMs = of("cpuMs");
  const runtime = 1_000 / cryptoMs;
  return figure({
    name: `${name}, ${width === 1 ? "one by one" : `${width} in flight`}`,
    value: 1_000 / cpuMs,
    unit: "/s of a core",
    target: { least: 500 },
    limit: { what: "by the runtime", value: runtime },
    note:
      `${short(1_000 / of("wallMs"))}/s of wall time; of ${short(cpuMs)} ms, ${
        short(cryptoMs)
      } are one check and one signature of P-256 in ` +
      `this runtime (OpenSSL: ${short(1_000 / openssl)})`,
  });
}
