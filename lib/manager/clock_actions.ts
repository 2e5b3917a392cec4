import * as z from "zod/mini";
import type { Actions } from "../rpc/local_answer.ts";
import { readBody } from "./action_body.ts";
import type { ClockGuard } from "./clock_guard.ts";

const nothing = z.object({});

/** What an operator may say of the manager's clock. */
export function clockActions(guard: Pick<ClockGuard, "accept">): Actions {
  return {
    "/v1/clock/accept": (body) => {
      readBody(nothing, body);
      return guard.accept("operator");
    },
  };
}
