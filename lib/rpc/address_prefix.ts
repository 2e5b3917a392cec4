import { toHex } from "../base/bytes.ts";
import { parseIp } from "../pki/host_names.ts";

/** What is counted together: an IPv4 address, or the /64 of an IPv6 address. */
export function prefixOf(address: string): string {
  const bytes = parseIp(address);
  if (bytes?.length !== 16) return address;
  return toHex(bytes.subarray(0, 8));
}
