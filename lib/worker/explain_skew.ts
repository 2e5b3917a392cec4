import { hasCode, SwarmdError } from "../base/errors.ts";
import { formatTime } from "../base/time.ts";
import type { Endpoint } from "../rpc/connection.ts";
import { formatEndpoint } from "../rpc/endpoint.ts";
import { AnonymousCall } from "./anonymous.ts";
import type { WorkerPorts } from "./ports.ts";

/** How long the explanation may take, in milliseconds. */
const EXPLAIN_MS = 3_000;

/**
 * Does something that dials; when it fails by dates alone, names both clocks.
 * The manager's time comes over an unverified connection: it is shown, and
 * decides nothing.
 *
 * @throws {SwarmdError} `clock-skew` with both times; or what `dial` throws
 */
export async function explainSkew<T>(
  ports: Pick<WorkerPorts, "clock" | "dialer" | "version">,
  { endpoint, dial }: {
    readonly endpoint: Endpoint;
    readonly dial: () => Promise<T>;
  },
): Promise<T> {
  try {
    return await dial();
  } catch (error) {
    if (!hasCode(error, "clock-skew") || !(error instanceof SwarmdError)) {
      throw error;
    }
    const here = ports.clock.now();
    const there = await theirTime(ports, endpoint);
    throw new SwarmdError("clock-skew", explain(error, { here, there }), {
      hint: "Set this machine's clock, or the manager's, and try again",
      data: { here, ...(there !== undefined && { there }) },
    });
  }
}

function explain(
  error: SwarmdError,
  clocks: { readonly here: number; readonly there: number | undefined },
): string {
  const there = clocks.there === undefined
    ? "the manager did not say its time"
    : `the manager says ${formatTime(clocks.there)} (not verified)`;
  return `${error.message}; this machine's clock says ${
    formatTime(clocks.here)
  }, ${there}`;
}

async function theirTime(
  { clock, dialer, version }: Pick<
    WorkerPorts,
    "clock" | "dialer" | "version"
  >,
  endpoint: Endpoint,
): Promise<number | undefined> {
  const ended = new AbortController();
  const { signal } = ended;
  const cancel = clock.schedule(EXPLAIN_MS, () => {
    const text = `No time from ${formatEndpoint(endpoint)}`;
    ended.abort(new SwarmdError("timed-out", text));
  });
  try {
    const connection = await dialer.dialUnverified(endpoint, signal);
    const call = new AnonymousCall(connection, { clock, signal });
    try {
      return (await call.hello(version)).now;
    } finally {
      call.close();
    }
  } catch {
    // An explanation that cannot be had does not hide what is explained.
    return undefined;
  } finally {
    cancel();
  }
}
