/** A connection over IPv4 on this machine, as one of its ends sees it. */
export interface Ports {
  readonly local: number;
  readonly remote: number;
}

/** TCP_ESTABLISHED in `/proc/net/tcp`. */
const ESTABLISHED = "01";

interface Line extends Ports {
  readonly state: string;
  readonly inode: string;
}

/**
 * Whether an end of a connection is open both ways, as the system sees it:
 * neither this end nor the other has said that it is over.
 */
export function isEstablished({ local, remote }: Ports): boolean {
  return linesOf(remote).some((each) =>
    each.local === local && each.remote === remote &&
    each.state === ESTABLISHED
  );
}

/** Resolves when that end is no longer open, looking at it again and again. */
export async function untilEnded(
  ports: Ports,
  { everyMs }: { readonly everyMs: number },
): Promise<void> {
  while (isEstablished(ports)) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/**
 * Resolves when a process has closed an end that it held at the call. To look
 * at that costs next to nothing, whatever else is connected.
 */
export async function untilClosed(
  { local, remote }: Ports,
  { pid, everyMs }: { readonly pid: number; readonly everyMs: number },
): Promise<void> {
  const end = linesOf(remote).find((each) =>
    each.local === local && each.remote === remote
  );
  const own = `socket:[${end?.inode}]`;
  const descriptor = descriptorsOf(pid).find(({ what }) => what === own);
  if (!descriptor) return;
  while (linkAt(descriptor.path) === own) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** The ports from which a process is connected to another one, open ones. */
export function portsTo(remote: number, pid: number): number[] {
  const own = new Set(descriptorsOf(pid).map(({ what }) => what));
  return linesOf(remote).filter((each) =>
    each.remote === remote && each.state === ESTABLISHED &&
    own.has(`socket:[${each.inode}]`)
  ).map(({ local }) => local);
}

function descriptorsOf(pid: number) {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => {
    const path = `/proc/${pid}/fd/${name}`;
    return { path, what: linkAt(path) };
  });
}

/** Where a descriptor leads to; nothing when it was closed meanwhile. */
function linkAt(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Those that name a port. There may be thousands: few are taken apart. */
function linesOf(port: number): Line[] {
  const named = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  return Deno.readTextFileSync("/proc/net/tcp").split("\n")
    .filter((row) => row.includes(named)).map(lineOf);
}

function lineOf(row: string): Line {
  const fields = row.trim().split(/ +/);
  const [, local = "", remote = "", state = ""] = fields;
  const inode = fields[9] ?? "";
  return { local: portOf(local), remote: portOf(remote), state, inode };
}

/** Of `0100007F:1F90`. */
function portOf(address: string): number {
  return parseInt(address.split(":").at(-1) ?? "", 16);
}
