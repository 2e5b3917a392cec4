import { assert, assertEquals, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import type { Command } from "../../lib/cli/command.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { parseCommandLine } from "../../lib/cli/parse.ts";

/** The contract: what is tested from outside. */
const CONTRACT: Readonly<Record<string, readonly string[]>> = {
  "manager init": [
    "listen-addr",
    "advertise-addr",
    "cert-expiry",
    "drill",
    "autolock",
    "ca-cert",
    "ca-key",
    "ca-key-passphrase-file",
    "external-ca",
    "state-dir",
    "json",
    "log-level",
    "log-format",
  ],
  "manager run": ["state-dir", "json", "log-level", "log-format"],
  "worker join": [
    "token-file",
    "token",
    "state-dir",
    "json",
    "log-level",
    "log-format",
  ],
  "worker run": ["state-dir", "json", "log-level", "log-format"],
  "drill": ["workers", "for", "faults", "json", "log-level", "log-format"],
  "node ls": ["pending", "state-dir", "json", "log-level", "log-format"],
  "node inspect": ["state-dir", "json", "log-level", "log-format"],
  "token show": ["quiet", "state-dir", "json", "log-level", "log-format"],
  "ca show": ["state-dir", "json", "log-level", "log-format"],
  "ca rotate": [
    "deadline",
    "quorum",
    "detach",
    "dry-run",
    "compromised",
    "cut-all",
    "trust-first",
    "ca-cert",
    "ca-key",
    "ca-key-passphrase-file",
    "external-ca",
    "state-dir",
    "json",
    "log-level",
    "log-format",
  ],
  "ca status": ["watch", "state-dir", "json", "log-level", "log-format"],
  "ca abort": ["state-dir", "json", "log-level", "log-format"],
  "ca finish": ["state-dir", "json", "log-level", "log-format"],
  "cert show": ["state-dir", "json", "log-level", "log-format"],
  "status": ["state-dir", "json", "log-level", "log-format"],
  "node rm": ["force", "state-dir", "json", "log-level", "log-format"],
  "node suspend": ["state-dir", "json", "log-level", "log-format"],
  "node resume": ["state-dir", "json", "log-level", "log-format"],
  "node promote": ["state-dir", "json", "log-level", "log-format"],
  "node demote": ["state-dir", "json", "log-level", "log-format"],
  "node renew": ["all", "state-dir", "json", "log-level", "log-format"],
  "denylist ls": ["state-dir", "json", "log-level", "log-format"],
  "leave": ["state-dir", "json", "log-level", "log-format"],
  "node accept": [
    "fingerprint",
    "newer-than-store",
    "state-dir",
    "json",
    "log-level",
    "log-format",
  ],
  "node reject": [
    "fingerprint",
    "state-dir",
    "json",
    "log-level",
    "log-format",
  ],
  "token create": [
    "role",
    "ttl",
    "uses",
    "name",
    "quiet",
    "state-dir",
    "json",
    "log-level",
    "log-format",
  ],
  "token ls": ["state-dir", "json", "log-level", "log-format"],
  "token rotate": ["quiet", "state-dir", "json", "log-level", "log-format"],
  "token disable": ["state-dir", "json", "log-level", "log-format"],
  "token revoke": ["state-dir", "json", "log-level", "log-format"],
  "clock accept": ["state-dir", "json", "log-level", "log-format"],
  "cluster show": ["state-dir", "json", "log-level", "log-format"],
  "cluster update": [
    "require-approval",
    "cert-expiry",
    "recovery-window",
    "recovery-limit",
    "autolock",
    "state-dir",
    "json",
    "log-level",
    "log-format",
  ],
  "unlock": ["key-file", "state-dir", "json", "log-level", "log-format"],
  "unlock-key": [
    "rotate",
    "quiet",
    "state-dir",
    "json",
    "log-level",
    "log-format",
  ],
  "audit tail": [
    "number",
    "follow",
    "state-dir",
    "json",
    "log-level",
    "log-format",
  ],
  "audit verify": ["against", "state-dir", "json", "log-level", "log-format"],
  "audit export": ["heads", "state-dir", "json", "log-level", "log-format"],
  "version": ["json"],
  "help": [],
};

/** Runs the readers of the options, not the command. */
function prepare(line: string): Command {
  const words = line.replace(/^swarmd /, "").replace(/ > .*$/, "").split(" ");
  const parsed = parseCommandLine(words, COMMANDS);
  assert(parsed.kind === "command", line);
  parsed.command.prepare(parsed.raw);
  return parsed.command;
}

Deno.test("COMMANDS are those of the contract, with their options", () => {
  const found = COMMANDS.map(({ path, options }) => [
    path,
    Object.keys(options),
  ]);
  assertEquals(Object.fromEntries(found), CONTRACT);
});

Deno.test("COMMANDS have examples that are understood as theirs", () => {
  for (const { path, examples } of COMMANDS) {
    assert(examples.length > 0);
    for (const { line } of examples) {
      assert(line.startsWith("swarmd "), line);
      assertEquals(prepare(line).path, path, line);
    }
  }
});

Deno.test("COMMANDS have summaries, options and arguments in one style", () => {
  for (const each of COMMANDS) {
    assert(/^[a-z].*[^.]$/.test(each.summary), each.summary);
    for (const text of each.description) assert(/^[A-Z].*\.$/.test(text), text);
    const parts = [
      ...Object.values(each.options),
      ...Object.values(each.arguments),
    ];
    for (const { help } of parts) assert(/^[A-Z].*[^.]$/.test(help), help);
    for (const { help } of each.examples) {
      assert(/^[A-Z].*[^.]$/.test(help), help);
    }
  }
});

Deno.test("COMMANDS do not call an option and an argument the same", () => {
  for (const each of COMMANDS) {
    const names = [
      ...Object.keys(each.options),
      ...Object.keys(each.arguments),
    ];
    assertEquals(new Set(names).size, names.length, each.path);
  }
});

Deno.test("COMMANDS let nobody but the drill start processes", () => {
  const those = COMMANDS.filter((each) => each.startsProcesses);
  assertEquals(those.map(({ path }) => path), ["drill"]);
});

const BAD_VALUES: readonly [line: string, message: string][] = [
  [
    "manager init --listen-addr 2377",
    'Cannot read --listen-addr "2377": want HOST:PORT such as',
  ],
  [
    "manager init --advertise-addr ::1",
    'Cannot read --advertise-addr "::1": want HOST or HOST:PORT such as',
  ],
  [
    "manager init --cert-expiry 3mo",
    'Cannot read --cert-expiry "3mo": want a form such as 90d',
  ],
  [
    "manager init --cert-expiry 3651d",
    'Cannot read --cert-expiry "3651d": want 1s to 3650d',
  ],
  [
    "worker join --token-file f 10.0.0.5",
    'Cannot read HOST:PORT "10.0.0.5": want HOST:PORT such as',
  ],
  [
    "drill --workers 0",
    'Cannot read --workers "0": want a whole number from 1',
  ],
  ["drill --for 1s", 'Cannot read --for "1s": want 10s to 1d'],
  ["drill --faults x", 'Cannot read --faults "x": want a whole number from 0'],
  ["token show root", 'Cannot read ROLE "root": want worker or manager'],
  ["token create --ttl 59s", 'Cannot read --ttl "59s": want 1m to 365d'],
  [
    "token create --uses 0",
    'Cannot read --uses "0": want a whole number from 1 to 100000',
  ],
  ["token create --name a/b", 'Cannot read --name "a/b": want a host name'],
  [
    "node accept 3f --fingerprint 1f8a0c6",
    'Cannot read --fingerprint "1f8a0c6": want 8 to 64 hex digits',
  ],
  [
    "cluster update --require-approval yes",
    'Cannot read --require-approval "yes": want on or off',
  ],
  [
    "node ls --log-level loud",
    'Cannot read --log-level "loud": want debug, info, warn or error',
  ],
  [
    "status --log-format xml",
    'Cannot read --log-format "xml": want text or json',
  ],
];

Deno.test("COMMANDS refuse bad values before anything runs", () => {
  for (const [line, message] of BAD_VALUES) {
    assertThrows(() => prepare(line), SwarmdError, message);
  }
});
