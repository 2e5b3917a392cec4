/** What a manager tells its operator while it runs. */
export type ManagerEvent =
  | {
    readonly event: "ready";
    readonly cluster: string;
    readonly node: string;
    readonly listen: string;
    readonly rootDigest: string;
  }
  | {
    readonly event: "renewed";
    readonly node: string;
    readonly serial: string;
    readonly notBefore: number;
    readonly notAfter: number;
    readonly issuer: string;
  };
