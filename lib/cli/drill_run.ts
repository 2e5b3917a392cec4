import { SwarmdError } from "../base/errors.ts";
import { SeededRandom } from "../base/seeded_random.ts";
import { SECOND, sleep } from "../base/time.ts";
import { FaultProxy } from "../net/fault_proxy.ts";
import { systemClock } from "../net/system.ts";
import { parseEndpoint } from "../rpc/endpoint.ts";
import { type LocalClient, localClient } from "./client.ts";
import { type DrillEvent, DrillProcess } from "./drill_process.ts";
import {
  drillLines,
  type DrillResult,
  judgeDrill,
  type ManagerTraffic,
} from "./drill_result.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import type { DrillOptions } from "./options.ts";

/** Renewals come at 50–80 % of a life, so about nine fit. */
const LIVES_IN_A_DRILL = 6;
const MIN_LIFE_MS = 10 * SECOND;
/** Faults a second, of which seven in ten are cuts ... */
const FAULTS_PER_SECOND = 4;
/** ... and more in a short drill, which is to have a hundred cuts, too. */
const MIN_FAULTS = 200;
/** Seconds between lines of progress where there is no terminal. */
const PLAIN_EVERY = 10;
/** For the last numbers to arrive, in milliseconds. */
const DRAIN_MS = 5 * SECOND;
/** Connections that were broken last come back first. */
const DRAIN_AFTER_FAULTS_MS = 20 * SECOND;
const POLL_MS = 100;
/** Time for a process to say what is waited for, in milliseconds. */
const START_MS = 20 * SECOND;

/** Runs the drill in processes of their own, and says whether it was clean. */
export async function runDrill(options: DrillOptions): Promise<number> {
  const { host, json } = options;
  const drill = new Drill(options);
  const stop = new AbortController();
  const interrupt = () => stop.abort(interrupted());
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, interrupt);
  try {
    const result = await drill.run(stop.signal);
    if (json) await host.output.json(result);
    else await host.output.lines(drillLines(result));
    const { ok, "drill-not-clean": notClean } = EXIT_CODES;
    return (result.clean ? ok : notClean).number;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, interrupt);
    await drill.cleanUp();
  }
}

function interrupted(): SwarmdError {
  return new SwarmdError("interrupted", "Drill interrupted", {
    verdict: "stop",
  });
}

class Drill {
  readonly #options: DrillOptions;
  readonly #processes: DrillProcess[] = [];
  readonly #renewals = new Map<string, number>();
  readonly #interruptions = new Map<string, number>();
  readonly #problems: string[] = [];
  readonly #ready = Promise.withResolvers<DrillEvent>();
  #connected = 0;
  #allConnected = Promise.withResolvers<void>();
  #folder = "";
  #proxy: FaultProxy | undefined;
  #target = { host: "127.0.0.1", port: 0 };
  #ending = false;

  constructor(options: DrillOptions) {
    this.#options = options;
  }

  /** Life of every certificate, in milliseconds. */
  get #lifeMs(): number {
    const { durationMs } = this.#options;
    return Math.max(MIN_LIFE_MS, durationMs / LIVES_IN_A_DRILL);
  }

  async run(signal: AbortSignal): Promise<DrillResult> {
    const { workers, durationMs, faultSeed } = this.#options;
    this.#folder = await Deno.makeTempDir({ prefix: "swarmd-drill-" });
    this.#openProxy();
    const ready = await this.#startManager(signal);
    for (let i = 0; i < workers; i++) this.#startWorker(i, ready);
    await this.#within(
      this.#allConnected.promise,
      "every worker connected",
      signal,
    );
    const began = systemClock.monotonic();
    await this.#rush(durationMs, signal);
    const seconds = (systemClock.monotonic() - began) / SECOND;
    const traffic = await this.#settled(signal);
    this.#options.host.output.endProgress(Deno.stderr.isTerminal());
    await this.#stopAll();
    return judgeDrill({
      seconds,
      workers,
      lifeMs: this.#lifeMs,
      traffic,
      renewals: this.#renewals,
      interruptions: this.#interruptions,
      manager: String(ready["node"]),
      problems: this.#problems,
      ...(this.#proxy && faultSeed !== undefined && {
        faults: { seed: faultSeed, ...this.#proxy.counts },
      }),
    });
  }

  /** Ends what still runs, and leaves nothing behind. */
  async cleanUp(): Promise<void> {
    await this.#stopAll();
    await this.#proxy?.close();
    if (this.#folder !== "") {
      await Deno.remove(this.#folder, { recursive: true });
    }
  }

  #openProxy(): void {
    const { faultSeed } = this.#options;
    if (faultSeed === undefined) return;
    const random = new SeededRandom(faultSeed);
    this.#proxy = new FaultProxy({ target: () => this.#target, random });
  }

  async #startManager(signal: AbortSignal): Promise<DrillEvent> {
    const through = this.#proxy?.endpoint;
    this.#start(["manager", "init", "--drill"], {
      name: "manager",
      options: [
        "--listen-addr=127.0.0.1:0",
        `--cert-expiry=${Math.round(this.#lifeMs / SECOND)}s`,
        ...(through ? [`--advertise-addr=127.0.0.1:${through.port}`] : []),
      ],
    });
    const ready = await this.#within(
      this.#ready.promise,
      "a manager",
      signal,
    );
    this.#target = parseEndpoint(String(ready["listen"])) ?? this.#target;
    return ready;
  }

  #startWorker(index: number, ready: DrillEvent): void {
    const { worker } = ready["joinTokens"] as { readonly worker: string };
    const { port } = this.#proxy?.endpoint ?? this.#target;
    this.#start(["worker", "join"], {
      name: `worker-${index}`,
      options: [`127.0.0.1:${port}`],
      env: { SWARMD_TOKEN: worker, SWARMD_MACHINE_ID: `drill-${index}` },
    });
  }

  #start(
    command: readonly string[],
    what: {
      readonly name: string;
      readonly options: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    },
  ): void {
    const args = [
      ...command,
      "--json",
      `--state-dir=${this.#folder}/${what.name}`,
      `--log-level=${this.#options.log.level}`,
      ...what.options,
    ];
    const { self } = this.#options;
    const process = new DrillProcess({
      self,
      args,
      env: what.env ?? {},
      event: (event) => this.#event(event),
    });
    this.#processes.push(process);
    process.ended.then((code) => {
      if (this.#ending) return;
      const text = `${what.name} ended with ${code}: ${process.errors.trim()}`;
      this.#problems.push(text);
      const error = new SwarmdError("internal", text);
      this.#ready.reject(error);
      this.#allConnected.reject(error);
    });
  }

  #event(event: DrillEvent): void {
    const node = String(event["node"]);
    if (event["event"] === "ready") this.#ready.resolve(event);
    if (event["event"] === "renewed") count(this.#renewals, node);
    if (event["event"] === "disconnected" && !this.#ending) {
      count(this.#interruptions, node);
    }
    if (event["event"] !== "connected") return;
    this.#connected++;
    if (this.#connected === this.#options.workers) this.#allConnected.resolve();
  }

  /** Lets messages flow, and faults happen, and tells how it goes. */
  async #rush(durationMs: number, signal: AbortSignal): Promise<void> {
    const end = systemClock.monotonic() + durationMs;
    const stepMs = Math.min(
      SECOND / FAULTS_PER_SECOND,
      durationMs / MIN_FAULTS,
    );
    let told = 0;
    for (;;) {
      const left = end - systemClock.monotonic();
      if (left <= 0) return;
      await sleep(systemClock, Math.min(stepMs, left), signal);
      this.#proxy?.fault();
      const passed = durationMs - left;
      if (passed >= told * SECOND) await this.#progress(left, told++);
    }
  }

  async #progress(leftMs: number, step: number): Promise<void> {
    const { host, json } = this.#options;
    if (json) return;
    const { workers } = await this.#traffic();
    const renewals = [...this.#renewals.values()].reduce((a, b) => a + b, 0);
    const received = workers.reduce(
      (sum, w) => sum + w.read.received + (w.theirRead?.received ?? 0),
      0,
    );
    const cuts = this.#proxy ? `, ${this.#proxy.counts.cuts} cuts` : "";
    const terminal = Deno.stderr.isTerminal();
    if (!terminal && step % PLAIN_EVERY !== 0) return;
    host.output.progress(
      `${
        Math.ceil(leftMs / SECOND)
      } s left: ${renewals} renewals, ${received} messages${cuts}`,
      terminal,
    );
  }

  /** Ends the writing and waits for the last of it; what is missing then is lost. */
  async #settled(signal: AbortSignal): Promise<ManagerTraffic> {
    await this.#manager.post("/v1/drill/end", {});
    const patience = this.#proxy ? DRAIN_AFTER_FAULTS_MS : DRAIN_MS;
    const end = systemClock.monotonic() + patience;
    for (;;) {
      const traffic = await this.#traffic();
      const late = systemClock.monotonic() >= end;
      if (late || traffic.workers.every(({ ended }) => ended)) return traffic;
      await sleep(systemClock, POLL_MS, signal);
    }
  }

  async #traffic(): Promise<ManagerTraffic> {
    return await this.#manager.get<ManagerTraffic>("/v1/drill");
  }

  get #manager(): LocalClient {
    return localClient(`${this.#folder}/manager`, this.#options.host);
  }

  async #within<T>(
    waited: Promise<T>,
    what: string,
    signal: AbortSignal,
  ): Promise<T> {
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const late = sleep(systemClock, START_MS, either).then(() => {
      throw new SwarmdError("timed-out", `Waited for ${what} in vain`);
    });
    late.catch(() => {});
    try {
      return await Promise.race([waited, late]);
    } finally {
      done.abort();
    }
  }

  async #stopAll(): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const stopped = this.#processes.toReversed().map((process) =>
      process.stop()
    );
    for (const code of await Promise.all(stopped)) {
      if (code !== 0) this.#problems.push(`a process ended with ${code}`);
    }
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
