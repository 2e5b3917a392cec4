import * as z from "zod/mini";
import { SwarmdError } from "../base/errors.ts";
import type { LockedStatus } from "../cluster/local_api.ts";
import {
  answerLocally,
  type LocalAnswer,
  type LocalRequest,
} from "../rpc/local_answer.ts";
import { readBody } from "./action_body.ts";

const UNLOCK = "/v1/unlock";
const given = z.object({ unlockKey: z.string() });

/** What a locked manager answers with. */
export interface LockedApiParts {
  readonly status: LockedStatus;
  /** Tries a key. @throws {SwarmdError} `unlock-refused` */
  readonly unlock: (unlockKey: string) => Promise<void>;
}

/**
 * All that a locked manager answers: its status, and whether a key unlocks it.
 * What is asked once it is unlocked waits for the manager.
 */
export class LockedApi {
  readonly #parts: LockedApiParts;
  readonly #next = Promise.withResolvers<Answer>();
  #open = false;

  constructor(parts: LockedApiParts) {
    this.#parts = parts;
  }

  async answer(request: LocalRequest): Promise<LocalAnswer> {
    if (this.#open) return await (await this.#next.promise)(request);
    // Whatever else is to be done gets the same answer as a question.
    const { path } = request;
    const asked = path === UNLOCK ? request : { ...request, method: "GET" };
    return await answerLocally(asked, (path) => this.#route(path), {
      [UNLOCK]: async (body) => {
        await this.#parts.unlock(readBody(given, body).unlockKey);
        this.#open = true;
      },
    });
  }

  /** From now on somebody else answers. */
  handOver(answer: Answer): void {
    this.#open = true;
    this.#next.resolve(answer);
  }

  #route(path: string): LockedStatus {
    if (path === "/v1/status") return this.#parts.status;
    throw this.#locked();
  }

  #locked(): SwarmdError {
    const { keyVersion } = this.#parts.status;
    return new SwarmdError(
      "locked",
      `The manager is locked: the unlock key of version ${keyVersion} is wanted`,
      {
        verdict: "stop",
        hint: "Run `swarmd unlock` here",
        data: { keyVersion },
      },
    );
  }
}

type Answer = (request: LocalRequest) => Promise<LocalAnswer>;
