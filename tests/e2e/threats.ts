/** How an attack is named where it is tested and where SECURITY.md cites it. */
export interface Threat {
  /** What is tried. */
  readonly attack: string;
  /** Name of the test that shows what comes of it. */
  readonly test: string;
  /** Where it is, when it is a test of more than the attack; from the root. */
  readonly file?: string;
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
  "manager-session": {
    attack: "a manager's key, for a session and a certificate as that manager",
    test:
      "a thief with a manager's key gets no session as that manager, and is told of",
  },
  "void-manager": {
    attack:
      "a manager's certificate of a node that was demoted, towards a worker",
    test:
      "a worker breaks off with a manager whose node was demoted, and says why",
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
  "removed-key": {
    attack: "the key of a removed node, on a new and on an open connection",
    test:
      "node rm ends a node's session at once, and nobody else's; it never comes back",
    file: "tests/e2e/removal_test.ts",
  },
  "removed-recovers": {
    attack: "the key of a removed node, to recover with",
    test: "a removed node does not recover",
    file: "tests/e2e/recovery_test.ts",
  },
  "suspended": {
    attack: "the key of a suspended node",
    test: "suspend cuts a node off, resume lets it back",
    file: "tests/e2e/removal_test.ts",
  },
  "demoted": {
    attack: "a manager's certificate after its node was demoted",
    test:
      "promote and demote: the store counts at once, the certificate follows",
    file: "tests/e2e/removal_test.ts",
  },
  "expired-waits": {
    attack: "an expired certificate, where an operator decides",
    test: "where nodes do not recover by themselves, an operator lets them in",
    file: "tests/e2e/recovery_test.ts",
  },
  "old-disk": {
    attack: "an old disk image, to recover with",
    test:
      "an old disk waits for an operator, and whoever runs is cut off only then",
    file: "tests/e2e/recovery_test.ts",
  },
  "revoked-elsewhere": {
    attack: "a replaced certificate, towards somebody who reads the list",
    test:
      "anyone gets the revocation list, and openssl refuses a replaced certificate by it",
    file: "tests/e2e/crl_test.ts",
  },
  "created-token": {
    attack: "a created token, on another machine, or revoked",
    test: "a created token is for one host name, and can be revoked",
    file: "tests/e2e/tokens_test.ts",
  },
  "created-secret": {
    attack: "the manager's disk, for the secret of a created token",
    test:
      "no created secret is on the manager's disk, and a use is counted once over a kill",
    file: "tests/e2e/tokens_test.ts",
  },
  "rotated-token": {
    attack: "a standing token after it was replaced, or disabled",
    test:
      "token rotate voids the old standing token, token disable does without",
    file: "tests/e2e/tokens_test.ts",
  },
  "unapproved": {
    attack: "a good token, where an operator has to approve",
    test: "a joiner waits until an operator accepts the key that both see",
    file: "tests/e2e/approval_test.ts",
  },
  "compromised-root": {
    attack: "what the old root vouched for, after it was cut off",
    test:
      "ca rotate --compromised carries over who is connected, and nothing under the old root is good again",
    file: "tests/e2e/rotation_test.ts",
  },
  "aborted-root": {
    attack: "the key of a root that was given up, on the manager's disk",
    test: "ca abort turns every node back, and the key of the new root is gone",
    file: "tests/e2e/rotation_test.ts",
  },
  "forged-succession": {
    attack: "a manager in the middle with a succession of its own roots",
    test: "a forged manager whose links do not hold gets nothing",
    file: "tests/e2e/recovery_test.ts",
  },
  "lying-authority": {
    attack: "an external authority that signs what it was not asked for",
    test:
      "manager init refuses an external authority that does not sign what it should, and touches nothing",
    file: "tests/e2e/external_ca_test.ts",
  },
  "old-unlock-key": {
    attack: "the unlock key of before",
    test:
      "turning autolock on, rotating the key and turning it off seal everything anew",
    file: "tests/e2e/autolock_test.ts",
  },
  "changed-log": {
    attack: "a changed entry of the audit log",
    test:
      "audit verify finds what was changed in the file while the manager was stopped",
    file: "tests/e2e/audit_test.ts",
  },
  "rewritten-log": {
    attack: "an audit log that was written anew and signed with the key",
    test:
      "audit verify --against finds a log that was written anew, hashes, signature and all",
    file: "tests/e2e/audit_test.ts",
  },
} as const satisfies Readonly<Record<string, Threat>>;

/** The short name of an attack. */
export type ThreatName = keyof typeof THREATS;

/** Registers the test of an attack under the name that SECURITY.md cites. */
export function threat(name: ThreatName, run: () => Promise<void>): void {
  Deno.test(THREATS[name].test, run);
}
