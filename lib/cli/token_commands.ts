import type { ManagerStatus, TokenSummary } from "../cluster/local_api.ts";
import type { Role } from "../pki/profile.ts";
import { type LocalClient, localClient } from "./client.ts";
import { joinLine } from "./events.ts";
import type { OperatorOptions } from "./options.ts";

/** How `token show` was asked. */
export interface TokenShowOptions extends OperatorOptions {
  readonly role: Role;
  readonly quiet: boolean;
}

/** `token show` */
export async function tokenShow(options: TokenShowOptions): Promise<number> {
  const { host, role, stateDir } = options;
  const client = localClient(stateDir, host);
  const { token } = await client.get<TokenSummary>(`/v1/tokens/${role}`);
  if (options.json) await host.output.json({ role, token });
  else if (options.quiet) await host.output.lines([token]);
  else await host.output.lines([token, ...await advice(role, client)]);
  return 0;
}

async function advice(role: Role, client: LocalClient): Promise<string[]> {
  if (role !== "worker") return [];
  const { managers } = await client.get<ManagerStatus>("/v1/status");
  return [
    "",
    "To add a worker, put this token in a file on its machine and run there:",
    `  ${joinLine(managers)}`,
  ];
}
