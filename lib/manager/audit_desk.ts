import * as z from "zod/mini";
import { type Clock, SECOND } from "../base/time.ts";
import type { AuditRecord } from "../cluster/audit.ts";
import type { SignedHead } from "../cluster/audit_head.ts";
import type { AuditSummary } from "../cluster/local_api.ts";
import type { HeadSummary } from "../cluster/local_nodes.ts";
import type { Store } from "../cluster/store.ts";
import type { Actions } from "../rpc/local_answer.ts";
import { readBody } from "./action_body.ts";
import type { AuditHeads } from "./audit_heads.ts";

/** Entries in an answer: reading so many blocks for about 1 ms. */
const PAGE = 250;
/** How long a question for what comes next may wait, in milliseconds. */
const WAIT_MS = 5 * SECOND;

const after = z.number().check(z.int(), z.gte(0));
const place = z.object({ after });
const pageOf = z.object({
  after,
  limit: z.optional(z.number().check(z.int(), z.gte(1), z.lte(PAGE))),
});

/** What the operator's look at the audit log works with. */
export interface AuditDeskParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly heads: AuditHeads;
}

/** Shows the audit log to the operator, page by page. */
export class AuditDesk {
  readonly #parts: AuditDeskParts;

  constructor(parts: AuditDeskParts) {
    this.#parts = parts;
  }

  /** What only the operator of this machine may ask. */
  get actions(): Actions {
    return {
      "/v1/audit/page": (body) => this.#page(readBody(pageOf, body)),
      "/v1/audit/next": (body) => this.#next(readBody(place, body).after),
    };
  }

  summary(): AuditSummary {
    const { store, heads } = this.#parts;
    const { newest } = heads;
    return {
      last: store.view((view) => view.last("audit")),
      ...(newest && { head: headSummary(newest) }),
    };
  }

  async #page(
    { after, limit = PAGE }: z.infer<typeof pageOf>,
  ): Promise<readonly AuditRecord[]> {
    return await this.#parts.store.entries("audit", { after, limit });
  }

  /** Entries after one, as soon as there are any; none when it takes long. */
  async #next(after: number): Promise<readonly AuditRecord[]> {
    const { store, clock } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (store.view((view) => view.last("audit")) > after) resolve();
    };
    const stop = store.watch(look);
    const cancel = clock.schedule(WAIT_MS, resolve);
    look();
    try {
      await promise;
    } finally {
      stop();
      cancel();
    }
    return await this.#page({ after });
  }
}

/** A head as the operator sees it. */
export function headSummary({ at, ...head }: SignedHead): HeadSummary {
  return { ...head, at: new Date(at).toISOString() };
}
