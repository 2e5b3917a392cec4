import * as z from "zod/mini";
import { PROBLEM_REGEXP } from "../cluster/problem.ts";
import { MAX_VOID_MANAGERS } from "../cluster/void_managers.ts";

/** Longest text that a peer may put into a description. */
const MAX_TEXT = 256;

const text = z.string().check(z.maxLength(MAX_TEXT));
const id = z.string().check(z.regex(/^[0-9a-z]{25}$/));
/** Canonical (RFC 4648 §3.5): the bits that no byte needs are zero. */
const BASE64_REGEXP =
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/;
const base64 = (maxBytes: number) =>
  z.string().check(
    z.maxLength(Math.ceil(maxBytes / 3) * 4),
    z.regex(BASE64_REGEXP),
  );
/** 16 to 32 bytes: never guessed, never a flood. */
const nonce = base64(32).check(z.minLength(24));
const count = z.number().check(z.int(), z.gte(0));
/**
 * A moment, in milliseconds: one that a `Date` can be (ECMA-262 §21.4.1.1). Any
 * other throws where it is shown.
 */
const moment = z.number().check(z.gte(-8.64e15), z.lte(8.64e15));
/** The same in whole milliseconds, from 1970 on. */
const wholeMoment = count.check(z.lte(8.64e15));
/** A SHA-256 as people see it. */
const digest = z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/));
const texts = (most: number) => z.array(text).check(z.maxLength(most));

/** First message of a connection: what the caller speaks and wants. */
export const helloParams = z.object({
  /** Versions of the protocol that it speaks. */
  protocols: z.array(count).check(z.minLength(1), z.maxLength(16)),
  version: text,
  features: texts(32),
  /** The session to open or, with `resume`, to go on with. */
  session: z.optional(
    z.object({
      id,
      lastSeen: count,
      resume: z.boolean(),
      /** Random per process: tells a restart from a second machine. */
      instance: id,
    }),
  ),
  /** Digest of the trust bundle that the caller verified this server with. */
  bundle: z.optional(digest),
  /** Asks the manager to prove that it knows a token, before it is sent. */
  prove: z.optional(z.object({ token: id, nonce })),
});

/** Answer to `hello`. */
export const helloResult = z.object({
  protocol: count,
  version: text,
  features: texts(32),
  /** The manager's wall clock, in milliseconds: it explains, never decides. */
  now: moment,
  cluster: id,
  manager: id,
  heartbeatMs: z.number().check(z.positive()),
  /** When the first beat is wanted; absent: at once. */
  nextMs: z.optional(z.number().check(z.positive())),
  managers: texts(64),
  session: z.optional(
    z.object({ id, resumed: z.boolean(), lastSeen: count }),
  ),
  /** Absent when the token is unknown here. */
  proof: z.optional(base64(32)),
});

/** What a node says of itself. */
export const descriptionSchema = z.object({
  hostname: text,
  os: text,
  arch: text,
  version: text,
});

/** A root, and what vouches for it to who trusts the one before; DER, base64. */
const link = z.object({
  root: base64(16 * 1024),
  cross: base64(16 * 1024),
});

/** Asks for a root by its digest, over a connection that is not verified. */
export const caRootParams = z.object({ digest });
/** The root and, where roots were rotated since, the way from it. */
export const caRootResult = z.object({
  /** DER, base64. */
  certificate: base64(16 * 1024),
  links: z.array(link).check(z.maxLength(64)),
});

/** Asks for the way from roots that are trusted to the present one. */
export const successionParams = z.object({
  digests: z.array(digest).check(z.minLength(1), z.maxLength(8)),
});
/** In order, from one of these roots on; none: it is the present one. */
export const successionResult = z.object({
  links: z.array(link).check(z.maxLength(64)),
});

/** Redeems a join token. */
export const joinParams = z.object({
  secret: z.string().check(z.regex(/^[0-9a-z]{25}$/)),
  csr: base64(8 * 1024),
  description: descriptionSchema,
});

/** Asks for the next certificate of the calling node. */
export const renewParams = z.object({ csr: base64(8 * 1024) });

/** The same, of a node whose certificate is good for nothing else. */
export const recoverParams = z.object({
  csr: base64(8 * 1024),
  /** Clock of the node, in milliseconds. */
  now: z.optional(moment),
});

/** An issued certificate. */
export const issuedResult = z.object({
  node: id,
  cluster: id,
  role: z.enum(["manager", "worker"]),
  /** Leaf first, then its intermediates, DER in base64. */
  chain: z.array(base64(16 * 1024)).check(z.minLength(1), z.maxLength(6)),
  /** When it was signed, by the manager's clock, in milliseconds. */
  issuedAt: moment,
  now: moment,
});

/** Nothing is issued yet: an operator decides, and the answer comes then. */
export const pendingParams = z.object({
  /** Id that the node will have. */
  node: id,
  /** When this, or the answer, comes next, in milliseconds. */
  nextMs: z.number().check(z.positive()),
});

/** What a node registers at the start of a session, and when it changes. */
export const registerParams = z.object({
  ...descriptionSchema.shape,
  /** Issuer of its own certificate, as it sees it. */
  issuer: text,
  /** Digest of its trust bundle. */
  trustRoot: digest,
  /** Its own clock, in milliseconds. */
  now: moment,
  /** Why its last renewal failed; absent: it did not, or is not told. */
  problem: z.optional(z.string().check(z.regex(PROBLEM_REGEXP))),
});

/** A beat of the worker; the manager's answer is of the same name. */
export const heartbeatParams = z.object({
  /** Clock of the sender, in milliseconds. */
  now: moment,
  /** From the manager: when the next beat is wanted, in milliseconds. */
  nextMs: z.optional(z.number().check(z.positive())),
});

/** Tells a worker to open its next connection now. */
export const moveParams = z.object({ reason: text });

/** Says why a connection ends. */
export const closeParams = z.object({
  code: text,
  message: z.string().check(z.maxLength(1024)),
  hint: z.optional(text),
  now: moment,
});

/** The managers' addresses. */
export const managersParams = z.object({ addresses: texts(64) });

/** Managers' certificates that stand for no manager any more. */
export const voidManagersParams = z.object({
  certificates: z.array(z.object({
    /** SHA-256 of the DER, lower-case hex. */
    fingerprint: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
    /** Its own end, in milliseconds. */
    until: wholeMoment,
  })).check(z.maxLength(MAX_VOID_MANAGERS)),
});

/** What a node is to trust from now on. */
export const bundleParams = z.object({
  /** Oldest first. */
  roots: z.array(z.object({
    generation: count,
    /** DER, base64. */
    certificate: base64(16 * 1024),
    /** The same root, signed by the one before; DER, base64. */
    cross: z.optional(base64(16 * 1024)),
  })).check(z.minLength(1), z.maxLength(4)),
  /** What completes the path of the manager's own certificate; DER, base64. */
  intermediates: z.optional(
    z.array(base64(16 * 1024)).check(z.maxLength(8)),
  ),
});

/** Which rehearsal is meant. */
export const rehearsalParams = z.object({ rehearsal: id });
/** Asks for a certificate under a root that is thrown away. */
export const rehearseParams = z.object({
  rehearsal: id,
  csr: base64(8 * 1024),
});
/** How it went. */
export const rehearsedParams = z.object({
  rehearsal: id,
  /** Absent: it would have been accepted. */
  problem: z.optional(z.string().check(z.maxLength(1024))),
});

/** Tells a worker to renew now. */
export const renewNowParams = z.object({
  reason: text,
  /** Of another role, or under another root, than what it holds. */
  changed: z.optional(z.boolean()),
});

/** How far a manager's audit log goes, signed; see cluster/audit_head.ts. */
export const auditHead = z.object({
  sequence: count,
  /** Of that entry, SHA-256 in lower-case hex. */
  hash: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  /** Clock of the manager, in milliseconds. */
  at: moment,
  manager: id,
  /** DER. */
  certificate: base64(8 * 1024),
  signature: base64(1024),
});

/** One number of the drill's application, and what its writer has read. */
export const drillParams = z.object({
  /** Random per process: who counts. */
  stream: id,
  number: count,
  /** Whether its writer has ended, and this is its highest number. */
  last: z.optional(z.boolean()),
  read: z.object({
    received: count,
    lost: count,
    duplicated: count,
    reordered: count,
    longestGapMs: z.number(),
  }),
});

/** No parameters, or no result. */
export const nothing = z.optional(z.object({}));

/** Answer to `hello`. */
export type HelloResult = z.infer<typeof helloResult>;
/** First message of a connection. */
export type HelloParams = z.infer<typeof helloParams>;
/** An issued certificate, on the wire. */
export type IssuedResult = z.infer<typeof issuedResult>;
/** What a node is to trust. */
export type BundleParams = z.infer<typeof bundleParams>;
/** Managers' certificates that are void. */
export type VoidManagersParams = z.infer<typeof voidManagersParams>;
/** Parameters of `node.register`. */
export type RegisterParams = z.infer<typeof registerParams>;
/** Parameters of `drill.number`. */
export type DrillParams = z.infer<typeof drillParams>;
