import type { IssuedFacts } from "../pki/issued_facts.ts";

/** What a manager tells its operator while it runs. */
export type ManagerEvent =
  | {
    readonly event: "ready";
    readonly cluster: string;
    readonly node: string;
    readonly listen: string;
    readonly rootDigest: string;
  }
  | { readonly event: "renewed" } & IssuedFacts;
