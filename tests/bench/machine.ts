import { median } from "./figure.ts";
import { BenchProcess } from "./process.ts";

const ROOT = new URL("../../", import.meta.url);

/** What the machine and its runtime can do without us, in this very run. */
export interface Machine {
  /** ECDSA P-256 by OpenSSL on one core, a second. */
  readonly opensslSign: number;
  readonly opensslVerify: number;
  /** From the start of a process that does nothing to its end, in ms. */
  readonly startMs: number;
  /** From the wish for a first key to the key, in a new process, in ms. */
  readonly firstKeyMs: number;
  /** One check and one signature of P-256 by the runtime, in ms of a core. */
  readonly pairMs: number;
  /** Memory of a process that does nothing, in kB. */
  readonly residentKb: number;
}

/** Measures what costs little to measure, for every run. */
export async function measureMachine(): Promise<Machine> {
  const [opensslSign, opensslVerify] = await opensslRates();
  await using idle = new BenchProcess("idle_child.ts");
  await idle.answer();
  return {
    opensslSign,
    opensslVerify,
    startMs: median(await runs("nothing.ts", { what: "time" })),
    firstKeyMs: median(await runs("first_key.ts", { what: "said" })),
    pairMs: Math.min(...await runs("pair.ts", { what: "said", count: 3 })),
    residentKb: idle.residentKb,
  };
}

async function opensslRates(): Promise<[number, number]> {
  const { stdout } = await new Deno.Command("openssl", {
    args: ["speed", "-seconds", "1", "ecdsap256"],
    stderr: "null",
  }).output();
  const last = new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
  const [verify = "NaN", sign = "NaN"] = last.split(/\s+/).toReversed();
  return [Number(sign), Number(verify)];
}

const RUNS = 7;

/** How long a script took, or what it said. */
async function runs(
  script: string,
  { what, count = RUNS }: {
    readonly what: "time" | "said";
    readonly count?: number;
  },
): Promise<number[]> {
  const results: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `tests/bench/${script}`],
      cwd: ROOT,
    }).output();
    const ms = performance.now() - startedAt;
    const said = Number(new TextDecoder().decode(stdout));
    results.push(what === "time" ? ms : said);
  }
  return results;
}
