import { type Figure, figure, short } from "./figure.ts";
import { BenchProcess } from "./process.ts";

/** What connections cost without us. */
export interface RawTls {
  /** Mutual handshakes that a core of the server does in a second. */
  readonly perCoreSecond: number;
  /** From the dial to the greeting, one after the other, in ms. */
  readonly latencyMs: number;
  /** Memory of the server for an idle connection, in kB. */
  readonly idleKb: number;
}

interface Rush {
  readonly perCoreSecond: number;
  readonly perSecond: number;
}

/** Measures the runtime's own TLS server. */
export async function measureRawTls(quick: boolean): Promise<RawTls> {
  await using client = new BenchProcess("handshake_client.ts");
  await client.answer();
  await using server = new BenchProcess("handshake_server.ts", ["--raw"]);
  const peer = await server.answer();
  const one = await client.ask("rush", { ...peer, count: 20, width: 1 });
  const { perCoreSecond } = await rush(server, client, { peer, quick });
  const count = quick ? 200 : 1_000;
  const before = server.residentKb;
  await client.ask("hold", { ...peer, count });
  await settle();
  return {
    perCoreSecond,
    latencyMs: Number(one["wallMs"]) / 20,
    idleKb: (server.residentKb - before) / count,
  };
}

/** Handshakes through our server, admission not included. */
export async function benchHandshakes(
  raw: RawTls,
  quick: boolean,
): Promise<Figure[]> {
  await using client = new BenchProcess("handshake_client.ts");
  await client.answer();
  await using server = new BenchProcess("handshake_server.ts");
  const peer = await server.answer();
  const ours = await rush(server, client, { peer, quick });
  return [figure({
    name: "handshakes, mutual, 64 in flight",
    value: ours.perCoreSecond,
    unit: "/s of a core",
    target: { least: 500 },
    limit: { what: "raw", value: raw.perCoreSecond },
    note:
      `${short(ours.perSecond)}/s of wall time; ${
        short(1_000 / ours.perCoreSecond)
      } ms of a core each, ${
        short(1_000 / raw.perCoreSecond)
      } without us; a single dial takes ${
        short(raw.latencyMs)
      } ms, most of it ` +
      "a delayed ACK that the runtime's client waits for",
  })];
}

async function rush(
  server: BenchProcess,
  client: BenchProcess,
  { peer, quick }: {
    readonly peer: Readonly<Record<string, unknown>>;
    readonly quick: boolean;
  },
): Promise<Rush> {
  const count = quick ? 300 : 1_500;
  await client.ask("rush", { ...peer, count: 200, width: 64 });
  const before = server.cpuMs;
  const { wallMs } = await client.ask("rush", { ...peer, count, width: 64 });
  return {
    perCoreSecond: count * 1_000 / (server.cpuMs - before),
    perSecond: count * 1_000 / Number(wallMs),
  };
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 3_000));
}
