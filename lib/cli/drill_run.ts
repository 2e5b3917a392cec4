import { SwarmdError } from "../base/errors.ts";
import type { DrillOptions } from "./options.ts";

/** Stands in until the composition root is written. */
export function runDrill(_options: DrillOptions): Promise<number> {
  return Promise.reject(
    new SwarmdError("internal", "Cannot run drill: it is not built yet"),
  );
}
