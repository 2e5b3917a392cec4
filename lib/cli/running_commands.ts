import { DAY, SECOND } from "../base/time.ts";
import { MAX_LEAF_LIFE_MS } from "../cluster/cluster.ts";
import { AUTHORITY, authorityWish } from "./authority_options.ts";
import { command, flag, option, repeated, several } from "./command.ts";
import { daemonOptions, leafLife, logSettings } from "./options.ts";
import { seedEarly } from "./seeding.ts";
import { selfCommand } from "./self_command.ts";
import { DAEMON, LOGGING } from "./shared_options.ts";
import { resolveToken } from "./token.ts";
import {
  advertisedAddress,
  duration,
  integer,
  listenEndpoint,
  peerEndpoint,
  text,
} from "./values.ts";

const DEFAULT_LISTEN = { host: "0.0.0.0", port: 2377 };
const DEFAULT_DRILL = { workers: 4, durationMs: 60 * SECOND };

const managerInit = command({
  path: "manager init",
  summary: "create a cluster and serve it as its first manager",
  description: [
    "Makes the cluster's certificate authority, its join tokens and the manager's own certificate, then serves in the foreground until SIGINT or SIGTERM. Refuses a state directory that already holds any part of an identity or of a cluster, and touches nothing then.",
    "Without --ca-cert and --external-ca the authority is new. Another one has to sign a certificate, and this machine to shake hands with it, before anything is written. Which one when: docs/trust.md, docs/external-ca.md.",
  ],
  options: {
    "listen-addr": option(
      listenEndpoint,
      "Where to listen; port 0 is any that is free",
      { defaultText: "0.0.0.0:2377" },
    ),
    "advertise-addr": repeated(
      advertisedAddress,
      "Where workers reach this manager; without a port, the one listened on",
      { defaultText: "this machine's addresses" },
    ),
    "cert-expiry": option(
      duration("DURATION", { min: SECOND, max: MAX_LEAF_LIFE_MS }),
      "How long certificates live, at least 1h",
      { defaultText: "90d" },
    ),
    drill: flag("Allow certificates of 10s and more, for trials"),
    autolock: flag(
      "Seal the keys on the disk under an unlock key, which each start needs",
    ),
    ...AUTHORITY,
    ...DAEMON,
  },
  arguments: {},
  examples: [
    { line: "swarmd manager init", help: "On one network card, by default" },
    {
      line:
        "swarmd manager init --listen-addr 0.0.0.0:2377 --advertise-addr 10.0.0.5",
      help: "Say where workers reach it",
    },
    {
      line: "swarmd manager init --drill --cert-expiry 1m --json",
      help: "Watch certificates rotate",
    },
    {
      line: "swarmd manager init --ca-cert chain.pem --ca-key key.pem",
      help: "Sign with a corporate authority; asks for the key's passphrase",
    },
    {
      line:
        "swarmd manager init --external-ca protocol=cfssl,url=https://ca.example.org:8888,ca=server-ca.pem,profile=swarmd,auth-key=cfssl.key",
      help: "Have a cfssl server sign",
    },
  ],
  exits: [
    "already-initialised",
    "locked-directory",
    "disk",
    "unreachable",
    "busy",
  ],
  async run(given, host) {
    const authority = authorityWish(given);
    const init = {
      listen: given["listen-addr"] ?? DEFAULT_LISTEN,
      advertise: given["advertise-addr"],
      leafLifeMs: leafLife({
        expiryMs: given["cert-expiry"],
        drill: given.drill,
      }),
      drill: given.drill,
      autolock: given.autolock,
      ...(authority && { authority }),
    };
    const options = { ...daemonOptions(given, host), init };
    seedEarly();
    const { runManager } = await import("./manager_run.ts");
    return runManager(options);
  },
});

const managerRun = command({
  path: "manager run",
  summary: "serve the cluster that is in the state directory",
  description: [
    "Serves in the foreground until SIGINT or SIGTERM, on the address that `manager init` was given.",
  ],
  options: DAEMON,
  arguments: {},
  examples: [{
    line: "swarmd manager run --state-dir /var/lib/swarmd",
    help: "As a service would",
  }],
  exits: [
    "not-initialised",
    "locked-directory",
    "damaged-state",
    "newer-store",
    "disk",
    "busy",
  ],
  async run(given, host) {
    const options = daemonOptions(given, host);
    seedEarly();
    const { runManager } = await import("./manager_run.ts");
    return runManager(options);
  },
});

const workerJoin = command({
  path: "worker join",
  summary: "join a cluster and keep the session",
  description: [
    "Checks the manager against the token before the token's secret is shown to anybody, gets a certificate, then keeps a session with a manager in the foreground until SIGINT or SIGTERM. May be repeated after any failure: it never makes a second node.",
    "Where the state directory holds an identity of this machine that is still good, resumes it: with any token of its cluster, over roots that changed meanwhile, and whatever the clock here says. One that has ended is kept where a manager recovers it at once. Else it joins anew, which warns of the node and the cluster that are given up when the new identity is there. Refuses a manager's directory, and an identity that cannot be read.",
    "Where the cluster wants approval, shows the node's id and the fingerprint of its key, and waits for a day, through restarts of the manager, until an operator accepts or rejects it there.",
    "The token comes from --token-file, else from --token, which `ps` shows to everybody on the machine, else from SWARMD_TOKEN, else from a prompt that does not show it.",
  ],
  options: {
    "token-file": option(
      text("FILE"),
      "File whose first line is the token; - is standard input",
    ),
    token: option(text("TOKEN"), "The token itself; visible in `ps`"),
    ...DAEMON,
  },
  arguments: {
    managers: several(
      peerEndpoint,
      "Where managers are, such as 10.0.0.5:2377 or [2001:db8::5]:2377; each is tried in turn",
    ),
  },
  examples: [
    {
      line: "swarmd worker join --token-file token 10.0.0.5:2377",
      help: "With the token in a file",
    },
    {
      line:
        "swarmd worker join --token-file token 10.0.0.5:2377 manager2.example.org:2377",
      help: "Whichever of two managers answers",
    },
  ],
  exits: [
    "already-initialised",
    "locked-directory",
    "damaged-state",
    "disk",
    "unreachable",
    "token-refused",
    "unverified",
    "clock-skew",
    "removed",
    "suspended",
    "conflict",
    "refused",
    "interrupted",
  ],
  async run(given, host) {
    const { token, "token-file": tokenFile } = given;
    const options = daemonOptions(given, host);
    const join = {
      token: await resolveToken({ token, tokenFile }, host),
      managers: given.managers,
    };
    seedEarly();
    const { runWorker } = await import("./worker_run.ts");
    return runWorker({ ...options, join });
  },
});

const workerRun = command({
  path: "worker run",
  summary: "keep the session of the identity in the state directory",
  description: [
    "Serves in the foreground until SIGINT or SIGTERM. Needs no token: the node's certificate says who it is. Refuses a manager's directory.",
  ],
  options: DAEMON,
  arguments: {},
  examples: [{
    line: "swarmd worker run --state-dir /var/lib/swarmd",
    help: "As a service would, after one `worker join`",
  }],
  exits: [
    "not-initialised",
    "already-initialised",
    "locked-directory",
    "damaged-state",
    "disk",
    "clock-skew",
    "removed",
    "suspended",
    "conflict",
  ],
  async run(given, host) {
    const options = daemonOptions(given, host);
    seedEarly();
    const { runWorker } = await import("./worker_run.ts");
    return runWorker(options);
  },
});

const drill = command({
  path: "drill",
  summary: "try the whole thing on this machine, and count",
  description: [
    "Starts a manager and several workers on loopback addresses, lets them join by token, keeps numbered messages flowing both ways while every certificate is rotated several times, and ends with a table of what was lost, repeated or reordered. Needs no state directory and leaves nothing behind.",
  ],
  options: {
    workers: option(
      integer("N", { min: 1, max: 64 }),
      "How many workers",
      { defaultText: String(DEFAULT_DRILL.workers) },
    ),
    for: option(
      duration("DURATION", { min: 10 * SECOND, max: DAY }),
      "How long messages flow, 10s to 1d",
      { defaultText: "60s" },
    ),
    faults: option(
      integer("SEED", { min: 0, max: 2 ** 32 - 1 }),
      "Cut, stall, delay and half-close connections, in an order that this number decides; at least 100 cuts, so with fewer than 4 workers give them 30s and more",
      { defaultText: "no faults" },
    ),
    json: flag("Write the result as one JSON object to standard output"),
    ...LOGGING,
  },
  arguments: {},
  examples: [
    { line: "swarmd drill", help: "In about a minute" },
    {
      line: "swarmd drill --workers 8 --for 5m --faults 7",
      help: "The same faults each time",
    },
  ],
  exits: ["drill-not-clean", "interrupted"],
  startsProcesses: true,
  async run(given, host) {
    const options = {
      workers: given.workers ?? DEFAULT_DRILL.workers,
      durationMs: given.for ?? DEFAULT_DRILL.durationMs,
      ...(given.faults === undefined ? {} : { faultSeed: given.faults }),
      json: given.json,
      log: logSettings(given, host.env),
      self: selfCommand(host.env, Deno.mainModule),
      host,
    };
    const { runDrill } = await import("./drill_run.ts");
    return runDrill(options);
  },
});

/** The commands that go on running. */
export const RUNNING_COMMANDS = [
  managerInit,
  managerRun,
  workerJoin,
  workerRun,
  drill,
];
