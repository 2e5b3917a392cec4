import type { Bytes } from "../base/bytes.ts";
import { SwarmdError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import { type BucketOptions, TokenBuckets } from "../base/token_buckets.ts";
import { prefixOf } from "../rpc/address_prefix.ts";
import type { PeerFacts } from "../rpc/connection.ts";
import { answerLocally, type LocalRequest } from "../rpc/local_answer.ts";
import type { RevocationLists } from "./revocation_lists.ts";

/** A request over the network: who asks is what TLS saw. */
export interface RemoteRequest extends LocalRequest {
  readonly facts?: PeerFacts;
  readonly query?: { get(name: string): string | null };
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Its answer. */
export interface RemoteAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Bytes;
}

/**
 * For one address. A list of 50,000 entries has 2.7 MB; whole sites sit behind
 * one address, hence the burst.
 */
const LIMITS: BucketOptions = {
  ratePerSecond: 2,
  burst: 50,
  maxBuckets: 4_096,
};

type Lists = Pick<RevocationLists, "get">;

const KEY_ID_REGEXP = /^(?:[0-9a-f]{2}){1,64}$/;

/** Answers whoever asks for a revocation list over HTTP. */
export class CrlAnswers {
  readonly #lists: Lists;
  readonly #buckets: TokenBuckets;

  constructor(lists: Lists, clock: Clock) {
    this.#lists = lists;
    this.#buckets = new TokenBuckets(clock, LIMITS);
  }

  /** Never rejects with a SwarmdError: that is an answer, too. */
  async answer(request: RemoteRequest): Promise<RemoteAnswer> {
    let answer: RemoteAnswer | undefined;
    const refusal = await answerLocally(request, async () => {
      answer = await this.#answer(request);
    });
    return answer ?? refusal;
  }

  async #answer({ facts, query, headers }: RemoteRequest) {
    const address = facts?.remote.host ?? "";
    if (this.#buckets.take(prefixOf(address)) === undefined) {
      throw new SwarmdError(
        "too-busy",
        "Cannot give a revocation list: too many requests from this address",
      );
    }
    const list = await this.#lists.get(issuerIn(query));
    const { etag } = list;
    if (isKnown(headers?.["if-none-match"], etag)) {
      return { status: 304, headers: { etag }, body: "" };
    }
    const type = { "content-type": "application/pkix-crl" };
    return { status: 200, headers: { ...type, etag }, body: list.der };
  }
}

function issuerIn(query: RemoteRequest["query"]): string | undefined {
  const issuer = query?.get("issuer")?.toLowerCase();
  if (issuer === undefined || KEY_ID_REGEXP.test(issuer)) return issuer;
  throw new SwarmdError(
    "usage",
    "Cannot give a revocation list: the issuer is no key id, want its hex",
  );
}

/** If-None-Match compares weakly (RFC 9110 §13.1.2); our tags hold no comma. */
function isKnown(header: string | undefined, etag: string): boolean {
  const tags = header?.split(",").map((tag) => tag.trim()) ?? [];
  return tags.some((tag) => tag === "*" || tag.replace(/^W\//, "") === etag);
}
