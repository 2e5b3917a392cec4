import { World } from "./world.ts";
import { calm, DAY_AT_WORK, YEAR } from "./scenario.ts";
const [what = "day", workers = "5", seed = "1", days = "1", faults = ""] =
  Deno.args;
const base = what === "day" ? DAY_AT_WORK : YEAR;
let s = {
  ...base,
  workers: Number(workers),
  durationMs: Number(days) * 86400000,
};
if (!faults) s = calm(s);
const t = performance.now();
const w = new World(s, { seed: Number(seed) });
try {
  const r = await w.run();
  console.log({ events: r.events, issued: r.issued, numbers: r.numbers });
} catch (e) {
  console.log((e as Error).message.slice(0, 12000));
}
console.log(
  ((performance.now() - t) / 1000).toFixed(1),
  "s",
  Deno.memoryUsage().rss / 1e6 | 0,
  "MB",
  w.clock.events,
  "events",
  (w.clock.now / 86400000).toFixed(2),
  "days",
);
if (Deno.env.get("TAIL")) {
  console.log(w.log.last(Number(Deno.env.get("TAIL"))).join("\n"));
}
