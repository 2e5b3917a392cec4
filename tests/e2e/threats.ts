/** How an attack is named where it is tested and where SECURITY.md cites it. */
export interface Threat {
  /** What is tried. */
  readonly attack: string;
  /** Name of the test that shows what comes of it. */
  readonly test: string;
}

/** Every attack that is tried against real processes, by a short name. */
export const THREATS = {
  "ticket-self-made": {
    attack: "a TLS ticket obtained with a self-made certificate, resumed",
    test:
      "a ticket that was obtained with a self-made certificate opens nothing",
  },
  "ticket-anonymous": {
    attack: "an anonymous TLS ticket, resumed",
    test: "an anonymous ticket opens nothing",
  },
  "ticket-node": {
    attack: "a node's own TLS ticket, resumed",
    test: "a node's own ticket opens no connection of a node",
  },
  "self-made": {
    attack: "a self-made certificate with a manager's names",
    test: "a self-made certificate with a manager's names is refused",
  },
  "forged-v1-client": {
    attack: "a certificate of version 1, with any key",
    test: "a certificate of version 1 is refused, resumed or not",
  },
  "wrong-key": {
    attack: "a node's certificate with another key",
    test: "a node's certificate with another key does not finish its handshake",
  },
  "old-tls": {
    attack: "a node's certificate over TLS 1.2",
    test: "a node's certificate over TLS 1.2 opens no connection of a node",
  },
  "foreign-root": {
    attack: "a certificate of another cluster",
    test: "a certificate of another cluster is refused",
  },
  "foreign-cluster": {
    attack: "a certificate of another cluster under the same root",
    test: "a certificate of another cluster under the same root is refused",
  },
  "public-root-client": {
    attack: "a certificate of a root that the machine trusts",
    test:
      "a certificate of a root that the manager's machine trusts is refused",
  },
  "expired": {
    attack: "an expired certificate",
    test: "an expired certificate opens no session, and both clocks are named",
  },
  "not-yet-valid": {
    attack: "a certificate that is not yet valid",
    test:
      "a certificate that is not yet valid is refused, and the clock is named",
  },
  "minted": {
    attack: "a certificate signed with the authority's stolen key",
    test: "what a thief signs with the authority's own key is refused",
  },
  "locked-backup": {
    attack: "a whole backup of a manager with autolock",
    test: "the whole disk of a manager with autolock opens nothing",
  },
  "authority-as-client": {
    attack: "the root certificate as a client's, with its stolen key",
    test: "the root's own certificate is no client's",
  },
  "replaced": {
    attack: "a replaced certificate",
    test:
      "a replaced certificate stops working after the overlap, on new and on open connections",
  },
  "previous-key": {
    attack: "a replaced certificate within its overlap",
    test: "a previous certificate opens no session and starts no call",
  },
  "anonymous-calls": {
    attack: "every method, without a certificate",
    test:
      "an anonymous peer may greet, read the root and join, and nothing else",
  },
  "worker-calls": {
    attack: "every method, with a worker's certificate",
    test: "a worker may do what the table says, for itself, and nothing else",
  },
  "worker-http": {
    attack: "the HTTP API, with a worker's certificate, or none",
    test: "the HTTP API shows strangers and workers the root alone",
  },
  "impostor-self-made": {
    attack: "a manager with a self-made certificate, towards a worker",
    test: "a worker breaks off with a manager that has a self-made certificate",
  },
  "impostor-v1": {
    attack:
      "a manager with a forged certificate of version 1, towards a worker",
    test:
      "a worker breaks off with a manager that has a forged certificate of version 1",
  },
  "impostor-public-root": {
    attack: "a manager with a certificate of a root that the machine trusts",
    test:
      "a worker breaks off with a manager of a root that its machine trusts",
  },
  "impostor-worker": {
    attack: "a worker's certificate posing as a manager's",
    test: "a worker breaks off with another worker that poses as a manager",
  },
  "impostor-foreign-cluster": {
    attack: "a manager of another cluster, also under the same root",
    test: "a worker breaks off with a manager of another cluster",
  },
  "impostor-expired": {
    attack: "an expired manager's certificate, with every verdict",
    test:
      "a worker shows what a manager with an expired certificate says, and obeys none of it",
  },
  "impostor-mute": {
    attack: "a manager in the middle that answers with garbage, or not at all",
    test: "a worker outlives every garbage of a manager in the middle",
  },
  "impostor-join": {
    attack: "a manager in the middle of a join, with every verdict and garbage",
    test:
      "a join outlives every verdict and garbage of a manager in the middle, and so does the identity that was there",
  },
  "manager-key": {
    attack: "a manager's key, without the database",
    test:
      "a thief with a manager's key can give no worker a certificate and get no secret",
  },
  "worker-key": {
    attack: "a worker's key, in use on two machines",
    test:
      "two machines with one identity are told so by name, and frozen when they fight",
  },
  "old-image": {
    attack: "a disk image from before a renewal",
    test: "an old disk image is refused, and never harms the node that went on",
  },
  "worker-token": {
    attack: "a worker token",
    test: "a worker token makes a new worker and nothing else",
  },
  "manager-token": {
    attack: "a manager token",
    test: "a manager token makes a new manager",
  },
  "database": {
    attack: "the database, without the cluster key",
    test: "the database alone holds no key of the authority and no token",
  },
  "backup": {
    attack: "a whole backup of a manager",
    test: "what a thief signs with the authority's own key is refused",
  },
} as const satisfies Readonly<Record<string, Threat>>;

/** The short name of an attack. */
export type ThreatName = keyof typeof THREATS;

/** Registers the test of an attack under the name that SECURITY.md cites. */
export function threat(name: ThreatName, run: () => Promise<void>): void {
  Deno.test(THREATS[name].test, run);
}
