import { assertEquals, assertThrows } from "@std/assert";
import { SwarmdError } from "../../lib/base/errors.ts";
import { DAY, HOUR, SECOND } from "../../lib/base/time.ts";
import {
  daemonOptions,
  leafLife,
  logSettings,
  operatorOptions,
} from "../../lib/cli/options.ts";
import { FakeHost } from "./fake_host.ts";

const GIVEN = {
  "state-dir": undefined,
  "log-level": undefined,
  "log-format": undefined,
  json: false,
} as const;

Deno.test("leafLife() is 90 days, and at least an hour but in a drill", () => {
  const cases: [number | undefined, boolean, number | string][] = [
    [undefined, false, 90 * DAY],
    [undefined, true, 90 * DAY],
    [HOUR, false, HOUR],
    [HOUR - 1, false, "want at least 1h"],
    [10 * SECOND, true, 10 * SECOND],
    [10 * SECOND - 1, true, "want at least 10s"],
  ];
  for (const [expiryMs, drill, expected] of cases) {
    const life = () => leafLife({ expiryMs, drill });
    if (typeof expected === "number") assertEquals(life(), expected);
    else assertThrows(life, SwarmdError, expected);
  }
});

Deno.test("leafLife() tells of --drill who did not give it", () => {
  const hint = (drill: boolean) =>
    assertThrows(() => leafLife({ expiryMs: SECOND, drill }), SwarmdError).hint;
  assertEquals(
    [false, true].map(hint),
    ["A cluster made with --drill may go down to 10s", undefined],
  );
});

Deno.test("logSettings() takes the option, then the environment, then the default", () => {
  const none = new FakeHost();
  const { env } = new FakeHost({
    env: { SWARMD_LOG_LEVEL: "warn", SWARMD_LOG_FORMAT: "json" },
  });
  assertEquals(logSettings(GIVEN, none.env), { level: "info", format: "text" });
  assertEquals(logSettings(GIVEN, env), { level: "warn", format: "json" });
  assertEquals(
    logSettings({ "log-level": "debug", "log-format": "text" }, env),
    { level: "debug", format: "text" },
  );
});

Deno.test("logSettings() names the variable that says nonsense", () => {
  for (const name of ["SWARMD_LOG_LEVEL", "SWARMD_LOG_FORMAT"]) {
    const { env } = new FakeHost({ env: { [name]: "loud" } });
    assertThrows(
      () => logSettings(GIVEN, env),
      SwarmdError,
      `Cannot read ${name} "loud": want `,
    );
  }
});

Deno.test("daemonOptions() finds the state directory and the machine's name", () => {
  const host = new FakeHost({
    env: { SWARMD_STATE_DIR: "/env", SWARMD_MACHINE_ID: "m1" },
  });
  const log = { level: "info", format: "text" } as const;
  assertEquals(
    daemonOptions({ ...GIVEN, "state-dir": "/given", json: true }, host),
    { stateDir: "/given", json: true, log, machineId: "m1", host },
  );
  assertEquals(daemonOptions(GIVEN, host).stateDir, "/env");
  const bare = new FakeHost({ env: { HOME: "/home/u" } });
  assertEquals(daemonOptions(GIVEN, bare), {
    stateDir: "/home/u/.local/state/swarmd",
    json: false,
    log,
    host: bare,
  });
});

Deno.test("operatorOptions() finds the same state directory", () => {
  const host = new FakeHost({ env: { XDG_STATE_HOME: "/xdg" } });
  assertEquals(operatorOptions(GIVEN, host), {
    stateDir: "/xdg/swarmd",
    json: false,
    host,
  });
});
