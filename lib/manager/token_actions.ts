import * as z from "zod/mini";
import { SwarmdError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import type {
  CreatedTokenSummary,
  RotatedTokenSummary,
  TokenLine,
} from "../cluster/local_api.ts";
import {
  type CreatedToken,
  HOST_NAME_REGEXP,
  TOKEN_LIFE,
  TOKEN_USES,
} from "../cluster/created_token.ts";
import type { Store } from "../cluster/store.ts";
import {
  disableStanding,
  revokeToken,
  stateOf,
  stateOfStanding,
} from "../cluster/tokens.ts";
import type { Role } from "../pki/profile.ts";
import type { Actions } from "../rpc/local_answer.ts";
import { readBody } from "./action_body.ts";
import { mustCluster } from "./records.ts";
import type { Tokens } from "./tokens.ts";

/** What the operator's changes of tokens work with. */
export interface TokenActionParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly tokens: Tokens;
}

const OPERATOR = "operator";
const ROLES: readonly Role[] = ["worker", "manager"];
const role = z.enum(["worker", "manager"]);
const within = ({ min, max }: { readonly min: number; readonly max: number }) =>
  z.number().check(z.int(), z.gte(min), z.lte(max));
const order = z.object({
  role,
  lifeMs: within(TOKEN_LIFE),
  uses: within(TOKEN_USES),
  name: z.optional(z.string().check(z.regex(HOST_NAME_REGEXP))),
});
const aRole = z.object({ role });
const anId = z.object({ id: z.string() });

/** What an operator may do to tokens. */
export function tokenActions(parts: TokenActionParts): Actions {
  return {
    "/v1/tokens/create": (body) => create(parts, readBody(order, body)),
    "/v1/tokens/rotate": (body) => rotate(parts, readBody(aRole, body)),
    "/v1/tokens/revoke": (body) => revoke(parts, readBody(anId, body)),
    "/v1/tokens/disable": (body) => disable(parts, readBody(aRole, body)),
  };
}

/** Every token, without its secret: the standing ones, then the newest. */
export function listTokens(
  { store, clock }: Pick<TokenActionParts, "store" | "clock">,
): TokenLine[] {
  const now = clock.now();
  return store.view((view) => {
    const { tokens } = mustCluster(view);
    const created = [...view.list("token")]
      .toSorted((a, b) => b.createdAt - a.createdAt);
    return [
      ...ROLES.map((role): TokenLine => ({
        id: tokens[role].id,
        kind: "standing",
        role,
        state: stateOfStanding(tokens[role]),
        createdAt: iso(tokens[role].createdAt),
      })),
      ...created.map((token): TokenLine => ({
        kind: "created",
        state: stateOf(token, now),
        createdAt: iso(token.createdAt),
        ...factsOf(token),
      })),
    ];
  });
}

async function create(
  { tokens }: TokenActionParts,
  { name, ...wanted }: z.infer<typeof order>,
): Promise<CreatedTokenSummary> {
  const { token, record } = await tokens.create({
    ...wanted,
    ...(name !== undefined && { name }),
    by: OPERATOR,
  });
  return { ...factsOf(record), token };
}

async function rotate(
  { tokens }: TokenActionParts,
  { role }: z.infer<typeof aRole>,
): Promise<RotatedTokenSummary> {
  return { role, ...await tokens.rotate(role, OPERATOR) };
}

async function revoke(
  { store, clock }: TokenActionParts,
  { id: given }: z.infer<typeof anId>,
) {
  const now = clock.now();
  return await store.update((tx) => {
    const id = wholeId([...tx.list("token")], given);
    revokeToken(tx, { id, by: OPERATOR, now });
    return { id };
  });
}

async function disable(
  { store, clock }: TokenActionParts,
  { role }: z.infer<typeof aRole>,
) {
  const change = { role, by: OPERATOR, now: clock.now() };
  await store.update((tx) => disableStanding(tx, change));
  return { role, state: "disabled" };
}

/** An id as it was given, or the only one that begins so. */
function wholeId(tokens: readonly CreatedToken[], given: string): string {
  const found = tokens.filter(({ id }) => id.startsWith(given));
  if (found.length > 1) {
    throw new SwarmdError(
      "not-found",
      `Cannot find token "${given}": ${found.length} begin with that, want 1`,
      { hint: "See their ids with `swarmd token ls`" },
    );
  }
  return found[0]?.id ?? given;
}

function factsOf({ id, role, expiresAt, usesLeft, name }: CreatedToken) {
  return {
    ...{ id, role, usesLeft },
    expiresAt: iso(expiresAt),
    ...(name !== undefined && { name }),
  };
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
