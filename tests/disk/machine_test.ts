import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import {
  machineFacts,
  type MachineSources,
  sameMachine,
} from "../../lib/disk/machine.ts";
import { withFolder } from "./testdata/folder.ts";

const ID_A = "a".repeat(32);
const ID_B = "b".repeat(32);
const MAC_1 = "00:00:00:00:00:01";
const MAC_2 = "00:00:00:00:00:02";
const MAC_3 = "00:00:00:00:00:03";
const NO_MAC = "00:00:00:00:00:00";

interface Machine {
  readonly id?: string;
  readonly macs?: readonly string[];
  readonly given?: string;
}

/** The binding of a machine that the test describes. */
async function bindingOf({ id, macs = [], given }: Machine): Promise<string> {
  let binding = "";
  await withFolder(async (folder) => {
    if (id !== undefined) await Deno.writeTextFile(`${folder}/id`, `${id}\n`);
    const sources: MachineSources = {
      env: (name) => name === "SWARMD_MACHINE_ID" ? given : undefined,
      machineIdFiles: [`${folder}/missing`, `${folder}/id`],
      interfaces: () => macs.map((mac, i) => ({ name: `eth${i}`, mac })),
    };
    binding = (await machineFacts("1.0.0", sources)).machineBinding;
  });
  return binding;
}

Deno.test("machineFacts() tells about this machine, the same every time", async () => {
  const facts = await machineFacts("1.2.3");
  assertEquals(facts.hostname, Deno.hostname());
  assertEquals(facts.os, Deno.build.os);
  assertEquals(facts.arch, Deno.build.arch);
  assertEquals(facts.version, "1.2.3");
  assertEquals(await machineFacts("1.2.3"), facts);
});

Deno.test("machineFacts() hashes what it finds and says unknown for what it does not", async () => {
  const hash = "[0-9a-f]{32}";
  const cases: { machine: Machine; want: string }[] = [
    { machine: { id: ID_A, macs: [MAC_1] }, want: `${hash}/${hash}` },
    {
      machine: { id: ID_A, macs: [MAC_1, MAC_2] },
      want: `${hash}/${hash},${hash}`,
    },
    { machine: { id: ID_A, macs: [MAC_1, MAC_1] }, want: `${hash}/${hash}` },
    { machine: { id: ID_A, macs: [NO_MAC] }, want: `${hash}/unknown` },
    { machine: { id: ID_A }, want: `${hash}/unknown` },
    { machine: { id: "", macs: [MAC_1] }, want: `unknown/${hash}` },
    { machine: { id: "uninitialized" }, want: `unknown/unknown` },
    { machine: {}, want: `unknown/unknown` },
    {
      machine: { id: ID_A, macs: [MAC_1], given: "x" },
      want: `${hash}/unknown`,
    },
  ];
  for (const { machine, want } of cases) {
    const binding = await bindingOf(machine);
    assertMatch(binding, new RegExp(`^${want}$`));
    assert(!binding.includes(ID_A));
  }
});

Deno.test("machineFacts() takes the first file that holds a machine id", () =>
  withFolder(async (folder) => {
    const files = ["empty", "good", "other"].map((name) => `${folder}/${name}`);
    const texts = ["\n", `${ID_A}\n`, `${ID_B}\n`];
    for (const [i, file] of files.entries()) {
      await Deno.writeTextFile(file, texts[i] ?? "");
    }
    const sources = {
      env: () => undefined,
      machineIdFiles: files,
      interfaces: () => [],
    };
    const { machineBinding } = await machineFacts("1", sources);
    assertEquals(machineBinding, await bindingOf({ id: ID_A }));
  }));

Deno.test("machineFacts() skips virtual interfaces, and is bounded", async () => {
  const names = ["docker0", "veth12ab", "br-0a1b", "virbr0", "cni0"];
  const sources: MachineSources = {
    env: () => undefined,
    machineIdFiles: [],
    interfaces: () => names.map((name) => ({ name, mac: MAC_1 })),
  };
  assertEquals(
    (await machineFacts("1", sources)).machineBinding,
    "unknown/unknown",
  );
  const many = Array.from(
    { length: 1000 },
    (_, i) => `02:00:00:00:${(i >> 8).toString(16)}:${(i & 255).toString(16)}`,
  );
  assert((await bindingOf({ macs: many })).length < 300);
});

Deno.test("machineFacts() says disk when a machine id cannot be read", () =>
  withFolder(async (folder) => {
    const sources = {
      env: () => undefined,
      machineIdFiles: [folder],
      interfaces: () => [],
    };
    const error = await assertRejects(
      () => machineFacts("1", sources),
      SwarmdError,
    );
    assertEquals(error.code, "disk");
  }));

const BOTH: Machine = { id: ID_A, macs: [MAC_1, MAC_2] };

const PAIRS: { a: Machine; b: Machine; same: boolean; why: string }[] = [
  { a: BOTH, b: BOTH, same: true, why: "nothing changed" },
  {
    a: BOTH,
    b: { id: ID_A, macs: [MAC_2, MAC_1] },
    same: true,
    why: "order",
  },
  {
    a: BOTH,
    b: { id: ID_A, macs: [MAC_2] },
    same: true,
    why: "a card is down",
  },
  {
    a: BOTH,
    b: { id: ID_A, macs: [MAC_2, MAC_3] },
    same: true,
    why: "a card was replaced",
  },
  { a: BOTH, b: { id: ID_A }, same: true, why: "the network is not up yet" },
  { a: BOTH, b: { macs: [MAC_1] }, same: true, why: "no machine id" },
  {
    a: BOTH,
    b: { id: ID_A, macs: [MAC_3] },
    same: false,
    why: "a cloned virtual machine",
  },
  {
    a: BOTH,
    b: { id: ID_B, macs: [MAC_1, MAC_2] },
    same: false,
    why: "a disk moved with its card",
  },
  {
    a: BOTH,
    b: { id: ID_B, macs: [MAC_3] },
    same: false,
    why: "another machine",
  },
  {
    a: { given: "x" },
    b: { id: ID_A, given: "x" },
    same: true,
    why: "told that it is the same",
  },
  {
    a: { given: "x" },
    b: { given: "y" },
    same: false,
    why: "told that it is not",
  },
  {
    a: BOTH,
    b: { ...BOTH, given: "x" },
    same: false,
    why: "told from now on",
  },
  { a: {}, b: BOTH, same: true, why: "nothing is known" },
];

Deno.test("sameMachine() tells clones apart, and a machine from no other state of itself", async () => {
  for (const { a, b, same, why } of PAIRS) {
    const [bindingA, bindingB] = [await bindingOf(a), await bindingOf(b)];
    assertEquals(sameMachine(bindingA, bindingB), same, why);
    assertEquals(sameMachine(bindingB, bindingA), same, why);
  }
});

Deno.test("sameMachine() takes a broken binding for another machine", async () => {
  const binding = await bindingOf({ id: ID_A, macs: [MAC_1] });
  for (const broken of ["", "x", "/", "x/unknown"]) {
    assertFalse(sameMachine(binding, broken), broken);
  }
});
