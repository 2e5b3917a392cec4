import { type Bytes, toBase64, utf8 } from "../../lib/base/bytes.ts";
import type { Change } from "../../lib/cluster/store.ts";
import { formatJoinToken, type JoinToken } from "../../lib/pki/join_token.ts";
import { holds } from "./network.ts";
import { PKCS8_START } from "../fakes/sim_crypto.ts";

/** How every private key of the fake begins, in any file and in PEM. */
const KEY_START = toBase64(PKCS8_START).slice(0, 44);
const PEM_LABEL = "PRIVATE KEY";
/** How every join token begins. */
const TOKEN_START = "SWMTKN-1-";

/**
 * Invariant 7: no secret is in what is stored, logged or sent to a peer that
 * was not verified. A manager's store holds them sealed only.
 */
export class Secrets {
  readonly #fail: (text: string) => void;
  readonly #token: () => JoinToken | undefined;

  constructor(parts: {
    readonly fail: (text: string) => void;
    readonly token: () => JoinToken | undefined;
  }) {
    this.#fail = parts.fail;
    this.#token = parts.token;
  }

  committed(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#look(JSON.stringify(change), "the store");
    }
  }

  logged(what: string): void {
    this.#look(what, "a log");
  }

  /** What goes to a peer that was not verified. */
  sent(chunk: Bytes): void {
    const token = this.#token();
    const secrets = [KEY_START, PEM_LABEL, TOKEN_START];
    const secret = token && formatJoinToken(token).split("-").at(-1);
    for (const each of [...secrets, ...(secret ? [secret] : [])]) {
      if (!holds(chunk, utf8(each))) continue;
      this.#fail(
        "Invariant 7: a secret is sent to a peer that is not verified",
      );
    }
  }

  #look(text: string, where: string): void {
    const found = [KEY_START, PEM_LABEL, TOKEN_START]
      .some((secret) => text.includes(secret));
    if (found) this.#fail(`Invariant 7: a secret is in ${where}`);
  }
}
