import type { Endpoint } from "../rpc/connection.ts";

const WILDCARDS = new Set(["0.0.0.0", "::"]);

/**
 * The hosts to advertise when none was given: the one listened on, or for a
 * wildcard this machine's addresses, loopback last resort.
 */
export function advertisedByDefault(
  listen: Endpoint,
  interfaces: () => readonly Pick<
    Deno.NetworkInterfaceInfo,
    "address" | "family"
  >[] = () => Deno.networkInterfaces(),
): readonly { readonly host: string }[] {
  if (!WILDCARDS.has(listen.host)) return [{ host: listen.host }];
  const found = interfaces()
    .filter(({ family }) => listen.host === "::" || family === "IPv4")
    .map(({ address }) => address)
    .filter((address) => !isLocal(address));
  const hosts = found.length > 0 ? [...new Set(found)] : ["127.0.0.1"];
  return hosts.map((host) => ({ host }));
}

/** Loopback, and link-local addresses, which mean nothing without their link. */
function isLocal(address: string): boolean {
  return /^(?:127\.|169\.254\.|::1$|fe[89ab])/i.test(address);
}
