import type { Command } from "./command.ts";

/** What commands are about, in the order of help, each with their first words. */
const SUBJECTS = {
  "Run": ["manager", "worker", "unlock", "leave", "drill"],
  "Look": ["status", "cert", "version", "help"],
  "Nodes": ["node", "denylist"],
  "Join tokens": ["token"],
  "Root CA": ["ca"],
  "Cluster": ["cluster", "clock", "unlock-key"],
  "Audit log": ["audit"],
} as const;

/** Commands about one thing. */
export interface Subject {
  readonly title: string;
  readonly commands: readonly Command[];
}

/** Commands in the order of help, those about one thing together. */
export function bySubject(commands: readonly Command[]): Subject[] {
  return Object.entries(SUBJECTS).map(([title, words]) => ({
    title,
    commands: words.flatMap((word) =>
      commands.filter(({ path }) => path.split(" ")[0] === word)
    ),
  }));
}
