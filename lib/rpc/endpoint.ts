import type { Endpoint } from "./connection.ts";

const FORM_REGEXP = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/;

/**
 * Reads `host:port`, `1.2.3.4:port` or `[ipv6]:port`.
 *
 * @returns `undefined` when the text is none of these, or the port is over 65535
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, ipv6, name, digits] = FORM_REGEXP.exec(text) ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** Writes what {@linkcode parseEndpoint} reads. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
