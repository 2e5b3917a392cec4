import * as z from "zod/mini";
import { SwarmdError } from "../base/errors.ts";
import { readStateFile, writeStateFile } from "../disk/state_file.ts";

const endpoint = z.object({ host: z.string(), port: z.number() });
const placeSchema = z.object({
  version: z.literal(1),
  listen: endpoint,
  advertise: z.array(
    z.object({ host: z.string(), port: z.optional(z.number()) }),
  ),
});

/** Where a manager is: what `manager run` needs besides the store. */
export interface ManagerPlace {
  readonly listen: { readonly host: string; readonly port: number };
  readonly advertise: readonly {
    readonly host: string;
    readonly port?: number;
  }[];
}

/** @throws {SwarmdError} `not-initialised`, `damaged-state`, `disk` */
export async function readManagerPlace(
  stateDir: string,
): Promise<ManagerPlace> {
  const raw = await readStateFile(`${stateDir}/state.json`);
  const parsed = z.safeParse(placeSchema, raw);
  if (parsed.success) {
    const { listen, advertise } = parsed.data;
    return {
      listen,
      advertise: advertise.map(({ host, port }) =>
        port === undefined ? { host } : { host, port }
      ),
    };
  }
  throw new SwarmdError(
    "damaged-state",
    `Cannot serve "${stateDir}": state.json does not say where to listen`,
    { verdict: "stop", hint: "Restore state.json from a backup" },
  );
}

/** @throws {SwarmdError} `disk` */
export async function writeManagerPlace(
  stateDir: string,
  place: ManagerPlace,
): Promise<void> {
  await writeStateFile(`${stateDir}/state.json`, { version: 1, ...place });
}
