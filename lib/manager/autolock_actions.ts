import * as z from "zod/mini";
import { describeError, SwarmdError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Actions } from "../rpc/local_answer.ts";
import { readBody } from "./action_body.ts";
import type { ClusterKeys, SealedThings } from "./cluster_keys.ts";

/** What the operator's changes of the cluster's keys work with. */
export interface AutolockParts {
  readonly keys: ClusterKeys;
  readonly things: SealedThings;
  readonly logger: Logger;
  /** Gives the manager a new key and certificate. */
  readonly renewOwn: () => Promise<void>;
}

const nothing = z.object({});
const offered = z.object({ unlockKey: z.string() });

/**
 * Autolock, for operators on this machine alone. A new key is offered first and
 * counts when it is sent back: by then a person has it.
 */
export function autolockActions(parts: AutolockParts): Actions {
  const { keys, things } = parts;
  return {
    "/v1/autolock/offer": (body) => {
      readBody(nothing, body);
      return keys.offer();
    },
    "/v1/autolock/lock": async (body) => {
      const wasOpen = !keys.locked;
      await keys.lock(things, readBody(offered, body).unlockKey);
      // The own key lay open until now: somebody may have a copy.
      if (wasOpen) await renewed(parts);
      return { autolock: true, version: keys.version };
    },
    "/v1/autolock/off": async (body) => {
      readBody(nothing, body);
      await keys.unlock(things);
      return { autolock: false, version: keys.version };
    },
    "/v1/autolock/key": async (body) => {
      readBody(nothing, body);
      const key = await keys.unlockKey();
      if (key) return key;
      throw new SwarmdError(
        "precondition",
        "Cannot show the unlock key: autolock is off",
        {
          verdict: "stop",
          hint: "Turn it on with `swarmd cluster update --autolock on`",
        },
      );
    },
    "/v1/unlock": () => {
      throw new SwarmdError(
        "precondition",
        "Cannot unlock: the manager is not locked",
        { verdict: "stop" },
      );
    },
  };
}

/** The cluster is locked already: who asked is not told that it failed. */
async function renewed({ renewOwn, logger }: AutolockParts): Promise<void> {
  try {
    await renewOwn();
  } catch (error) {
    const text = describeError(error);
    logger.warn("Own key not replaced after autolock; it is when it is due", {
      error: text,
    });
  }
}
