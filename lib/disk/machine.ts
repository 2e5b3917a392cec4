import { diskError } from "./disk_error.ts";
import { sha256Hex } from "./hash.ts";
import type { Environment } from "./state_directory.ts";

/** What a node tells about the machine that it runs on. */
export interface MachineFacts {
  readonly hostname: string;
  /** Such as `linux`. */
  readonly os: string;
  /** Such as `x86_64`. */
  readonly arch: string;
  /** The program's version, as given. */
  readonly version: string;
  /** Hashes that tell this machine from its clones: see {@linkcode sameMachine}. */
  readonly machineBinding: string;
}

/** Where facts come from; tests give their own. */
export interface MachineSources {
  readonly env: Environment;
  /** Files to find the machine id in; the first that holds one counts. */
  readonly machineIdFiles: readonly string[];
  readonly interfaces: () => readonly Pick<
    Deno.NetworkInterfaceInfo,
    "name" | "mac"
  >[];
}

const SYSTEM: MachineSources = {
  env: (name) => Deno.env.get(name),
  machineIdFiles: ["/etc/machine-id", "/var/lib/dbus/machine-id"],
  interfaces: () => Deno.networkInterfaces(),
};

const UNKNOWN = "unknown";
const VIRTUAL_REGEXP = /^(?:docker|veth|br-|virbr|cni|flannel|cali)/;
/** Interfaces beyond these say nothing more about which machine it is. */
const MAX_INTERFACES = 8;

/**
 * Facts about this machine.
 *
 * The binding is made of the machine id (machine-id(5)) and the hardware
 * addresses, hashed, since neither is to be spread; `unknown` stands for what
 * is not there. `SWARMD_MACHINE_ID`, any text, takes the place of both:
 * containers share their host's or their image's machine id and get another
 * address at every start.
 *
 * @throws {SwarmdError} `disk` when a machine id is there and cannot be read
 */
export async function machineFacts(
  version: string,
  sources: MachineSources = SYSTEM,
): Promise<MachineFacts> {
  return {
    hostname: Deno.hostname(),
    os: Deno.build.os,
    arch: Deno.build.arch,
    version,
    machineBinding: await machineBinding(sources),
  };
}

/**
 * Whether two bindings can be of one machine: equal machine ids, and a
 * hardware address in common. What is unknown on either side decides nothing.
 *
 * Not plain equality: the system lists only interfaces that are up, so that at
 * boot, or after a card was added, the same machine shows other addresses.
 */
export function sameMachine(a: string, b: string): boolean {
  const [idOfA, macsOfA = UNKNOWN] = a.split("/");
  const [idOfB, macsOfB = UNKNOWN] = b.split("/");
  return agree([idOfA ?? UNKNOWN], [idOfB ?? UNKNOWN]) &&
    agree(macsOfA.split(","), macsOfB.split(","));
}

function agree(a: readonly string[], b: readonly string[]): boolean {
  return a.includes(UNKNOWN) || b.includes(UNKNOWN) ||
    a.some((hash) => b.includes(hash));
}

/** `<hash or unknown>/<hashes or unknown>`. */
async function machineBinding(sources: MachineSources): Promise<string> {
  const given = sources.env("SWARMD_MACHINE_ID");
  if (given) return `${await hash(`given ${given}`)}/${UNKNOWN}`;
  const id = await findMachineId(sources.machineIdFiles);
  const macs = hardwareAddresses(sources);
  const hashes = await Promise.all(macs.map((mac) => hash(`mac ${mac}`)));
  return [
    id === undefined ? UNKNOWN : await hash(`machine-id ${id}`),
    hashes.join(",") || UNKNOWN,
  ].join("/");
}

/** An image that was not booted yet has an empty one, or `uninitialized`. */
async function findMachineId(
  paths: readonly string[],
): Promise<string | undefined> {
  for (const path of paths) {
    try {
      const text = (await Deno.readTextFile(path)).trim();
      if (/^[0-9a-f]{32}$/.test(text)) return text;
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) continue;
      throw diskError("read", path, { cause });
    }
  }
  return undefined;
}

function hardwareAddresses(sources: MachineSources): string[] {
  const macs = sources.interfaces()
    .filter(({ name }) => !VIRTUAL_REGEXP.test(name))
    .map(({ mac }) => mac.toLowerCase())
    .filter((mac) => /[1-9a-f]/.test(mac));
  return [...new Set(macs)].sort().slice(0, MAX_INTERFACES);
}

async function hash(text: string): Promise<string> {
  return (await sha256Hex(text)).slice(0, 32);
}
