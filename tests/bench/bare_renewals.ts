import { BenchProcess } from "./process.ts";

/** A fleet without us. */
export interface BareFleetPlan {
  readonly clients: number;
  /** Processes that play it; each holds an equal part. */
  readonly hosts: number;
  /** Renewals that are under way at the same time. */
  readonly width: number;
}

/**
 * How long it takes, in milliseconds, that each of so many connected clients
 * makes a key and a request, is issued a certificate, connects with it and
 * leaves the connection before: by the runtime alone, without a record, a
 * message or a disk. The targets of a rotation were set beside just this: on
 * the machine of then, 1,000 clients took 5,100 ms, and 8 took 82.
 */
export async function measureBareRenewals(
  { clients, hosts, width }: BareFleetPlan,
): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(
    new BenchProcess("handshake_server.ts", ["--raw"]),
  );
  const place = await server.answer();
  const all = Array.from(
    { length: hosts },
    () => stack.use(new BenchProcess("handshake_client.ts")),
  );
  for (const each of all) await each.answer();
  const ask = (action: string, asked: Readonly<Record<string, number>>) =>
    Promise.all(all.map((each) => each.ask(action, { ...place, ...asked })));
  await ask("hold", { count: clients / hosts });
  const began = performance.now();
  await ask("renew", { width: width / hosts });
  return performance.now() - began;
}
