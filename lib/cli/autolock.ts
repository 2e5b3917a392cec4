import { localClient } from "./client.ts";
import type { OperatorOptions } from "./options.ts";

interface Offered {
  readonly unlockKey: string;
  readonly version: number;
}

interface Locked {
  readonly autolock: boolean;
  readonly version: number;
}

/** `unlock` */
export async function unlock(
  { unlockKey, ...options }: OperatorOptions & { readonly unlockKey: string },
): Promise<number> {
  const { stateDir, host, json } = options;
  await localClient(stateDir, host).post("/v1/unlock", { unlockKey });
  if (json) await host.output.json({ unlocked: true });
  else await host.output.lines(["unlocked"]);
  return 0;
}

/** `cluster update --autolock` */
export async function setAutolock(
  { on, ...options }: OperatorOptions & { readonly on: boolean },
): Promise<number> {
  const { stateDir, host, json } = options;
  const client = localClient(stateDir, host);
  const { autolock } = await client.get<{ autolock?: boolean }>("/v1/status");
  if (on && !autolock) return await lockAnew(options);
  if (!on && autolock) await client.post("/v1/autolock/off", {});
  if (json) await host.output.json({ autolock: on });
  else await host.output.lines([`autolock is ${on ? "on" : "off"}`]);
  return 0;
}

/** `unlock-key` */
export async function unlockKey(
  { rotate, quiet, ...options }: OperatorOptions & {
    readonly rotate: boolean;
    readonly quiet: boolean;
  },
): Promise<number> {
  const { stateDir, host, json } = options;
  const present = await localClient(stateDir, host)
    .post<Offered>("/v1/autolock/key", {});
  if (rotate) return await lockAnew(options);
  if (json) await host.output.json(present);
  else await host.output.lines(quiet ? [present.unlockKey] : told(present));
  return 0;
}

/**
 * Shows the new key first and has it count then: were it the other way round, a
 * manager that dies in between would be locked with a key that nobody has seen.
 */
async function lockAnew(
  { stateDir, host, json }: OperatorOptions,
): Promise<number> {
  const client = localClient(stateDir, host);
  const offered = await client.post<Offered>("/v1/autolock/offer", {});
  const { unlockKey } = offered;
  if (json) await host.output.json({ event: "offered", ...offered });
  else await host.output.lines(told(offered));
  try {
    const locked = await client.post<Locked>("/v1/autolock/lock", {
      unlockKey,
    });
    if (json) await host.output.json({ event: "locked", ...locked });
    else await host.output.lines(["", "From now on this key counts."]);
    return 0;
  } catch (error) {
    host.output.say(
      "warning",
      "The new unlock key may count or not: keep it and the old one until `swarmd unlock-key` shows which",
    );
    throw error;
  }
}

function told({ unlockKey, version }: Offered): string[] {
  return [
    `Unlock key of version ${version} (a secret; keep it apart from this machine):`,
    `  ${unlockKey}`,
    "",
    "After a restart the manager is locked until `swarmd unlock` gets it.",
  ];
}
