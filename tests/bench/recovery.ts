import { HOUR, SECOND } from "../../lib/base/time.ts";
import { type Figure, figure, short } from "./figure.ts";
import { Fleet, type FleetLimits, limitOf, settle } from "./fleet_rig.ts";

const HOSTS = 4;
/** A certificate is backdated, and counts in whole seconds. */
const SLACK_MS = 2 * SECOND;

/** A fleet whose certificates have all ended comes back at once. */
export async function benchRecovery(
  limits: FleetLimits,
  quick: boolean,
): Promise<Figure[]> {
  const size = quick ? 200 : 1_000;
  const lifeMs = (quick ? 15 : 30) * SECOND;
  await using fleet = await Fleet.start({ size, hosts: HOSTS, folders: true });
  await fleet.startManager(["--open"]);
  await fleet.manager.ask("life", { ms: lifeMs });
  await fleet.all("join");
  const joined = performance.now();
  // What they get then is not to end while this is measured.
  await fleet.manager.ask("life", { ms: HOUR });
  const leftMs = joined + lifeMs + SLACK_MS - performance.now();
  await new Promise((resolve) => setTimeout(resolve, leftMs));
  const { cpuMs, wallMs } = await fleet.timed(() =>
    fleet.all("run", { width: size / HOSTS })
  );
  await settle();
  const recovered = await fleet.sum("recoveries", "times");
  return [
    figure({
      name: `${size} nodes with expired certificates back`,
      value: wallMs / 1_000,
      unit: "s",
      note: `from the wish of all at once until the last was connected; ` +
        `${recovered} recovered; ${HOSTS} processes with a folder for each ` +
        "node, on the same machine; without the limits for one address",
    }),
    figure({
      name: "recoveries, all at once",
      value: size * 1_000 / cpuMs,
      unit: "/s of a core",
      limit: { what: "raw", value: limitOf(limits, 3) },
      note:
        `the manager had ${short(cpuMs / 1_000)} s of a core; each is three ` +
        "handshakes, a certificate and a durable record",
    }),
  ];
}
