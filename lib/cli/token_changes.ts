import { formatTime } from "../base/time.ts";
import type {
  CreatedTokenSummary,
  ManagerStatus,
  RotatedTokenSummary,
  TokenLine,
} from "../cluster/local_api.ts";
import type { Role } from "../pki/profile.ts";
import { localClient } from "./client.ts";
import { relativeTime } from "./describe.ts";
import { joinLine } from "./events.ts";
import type { OperatorOptions } from "./options.ts";
import { formatTable } from "./output.ts";

/** How `token create` was asked. */
export interface TokenCreateOptions extends OperatorOptions {
  readonly role: Role;
  /** In milliseconds. */
  readonly lifeMs: number;
  readonly uses: number;
  readonly name: string | undefined;
  readonly quiet: boolean;
}

/** `token create` */
export async function tokenCreate(
  { role, lifeMs, uses, name, quiet, ...options }: TokenCreateOptions,
): Promise<number> {
  const { host, json } = options;
  const client = localClient(options.stateDir, host);
  const order = { role, lifeMs, uses, ...(name !== undefined && { name }) };
  const made = await client
    .post<CreatedTokenSummary>("/v1/tokens/create", order);
  if (json) await host.output.json(made);
  else if (quiet) await host.output.lines([made.token]);
  else {
    const { managers } = await client.get<ManagerStatus>("/v1/status");
    await host.output.lines([
      made.token,
      "",
      `Token ${made.id} is shown this once. ${describe(made)}.`,
      "Put it in a file on the machine and run there:",
      `  ${joinLine(managers)}`,
    ]);
  }
  return 0;
}

/** `token rotate` */
export async function tokenRotate(
  { role, quiet, ...options }: OperatorOptions & {
    readonly role: Role;
    readonly quiet: boolean;
  },
): Promise<number> {
  const { host, json, stateDir } = options;
  const made = await localClient(stateDir, host)
    .post<RotatedTokenSummary>("/v1/tokens/rotate", { role });
  if (json) await host.output.json(made);
  else if (quiet) await host.output.lines([made.token]);
  else {
    const note = "The token before it is void. Nodes that are in stay in.";
    await host.output.lines([made.token, "", note]);
  }
  return 0;
}

/** `token revoke` */
export async function tokenRevoke(
  { id: given, ...options }: OperatorOptions & { readonly id: string },
): Promise<number> {
  const { host, json, stateDir } = options;
  const body = { id: given };
  const done = await localClient(stateDir, host)
    .post<Pick<TokenLine, "id">>("/v1/tokens/revoke", body);
  if (json) await host.output.json(done);
  else await host.output.lines([`token ${done.id} is revoked`]);
  return 0;
}

/** `token disable` */
export async function tokenDisable(
  { role, ...options }: OperatorOptions & { readonly role: Role },
): Promise<number> {
  const { host, json, stateDir } = options;
  const done = await localClient(stateDir, host)
    .post<Pick<TokenLine, "role" | "state">>("/v1/tokens/disable", { role });
  const line = `the standing token of the ${role} role is disabled`;
  if (json) await host.output.json(done);
  else await host.output.lines([line]);
  return 0;
}

/** `token ls` */
export async function tokenLs(options: OperatorOptions): Promise<number> {
  const { host, json, stateDir } = options;
  const tokens = await localClient(stateDir, host)
    .get<TokenLine[]>("/v1/tokens");
  if (json) await host.output.json(tokens);
  else await host.output.lines(tokenTable(tokens, host.now()));
  return 0;
}

function tokenTable(tokens: readonly TokenLine[], now: number): string[] {
  return formatTable(
    ["ID", "ROLE", "KIND", "STATE", "USES", "EXPIRES", "NAME"],
    tokens.map(({ id, role, kind, state, usesLeft, expiresAt, name }) => [
      ...[id, role, kind, state],
      usesLeft === undefined ? "-" : String(usesLeft),
      expiresAt === undefined ? "never" : relativeTime(expiresAt, now),
      name ?? "-",
    ]),
  );
}

function describe({ usesLeft, role, expiresAt, name }: CreatedTokenSummary) {
  const nodes = usesLeft === 1 ? `one ${role}` : `${usesLeft} ${role}s`;
  const called = name === undefined ? "" : ` called "${name}"`;
  return `It lets in ${nodes}${called}, until ${
    formatTime(Date.parse(expiresAt))
  }`;
}
