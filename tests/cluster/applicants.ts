import type { Applicant } from "../../lib/cluster/applicant.ts";
import { NOW } from "./samples.ts";

/** Somebody who asks to join, with a key and an id of that name. */
export function applicant(
  name: string,
  change: Partial<Applicant> = {},
): Applicant {
  return {
    spki: `spki ${name}`,
    nodeId: `node ${name}`,
    role: "worker",
    kind: "join",
    tokenId: "token worker",
    description: { hostname: name, os: "linux", arch: "arm64", version: "1" },
    address: "10.0.0.9",
    why: "joiners wait for approval here",
    at: NOW,
    ...change,
  };
}
