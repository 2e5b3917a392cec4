import { decodePem } from "../../lib/pki/pem.ts";
import { Running } from "../manager/running.ts";
import { type Device, MANAGER } from "./device.ts";
import { Fleet } from "./fleet.ts";

/** The same cluster and workers with the next process of its manager. */
export async function restarted(
  { house, running, processes }: Fleet,
  { devices, meanwhile }: {
    readonly devices: readonly Device[];
    /** Happens while no manager runs. */
    readonly meanwhile: () => Promise<void> | void;
  },
): Promise<Fleet> {
  for (const { net } of devices) net.down = true;
  await running[Symbol.asyncDispose]();
  await meanwhile();
  const next = await Running.start(house);
  const server = {
    chain: () =>
      decodePem(next.credentials.at(-1)?.chainPem ?? "", "CERTIFICATE"),
    accept: next.accept.bind(next),
  };
  for (const { net } of devices) {
    net.down = false;
    net.servers.set(MANAGER, server);
  }
  const fleet = new Fleet(house, next);
  fleet.processes.push(...processes);
  return fleet;
}
