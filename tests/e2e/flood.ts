// A process that floods a port from one address, and tells what came of it.
// Arguments, as JSON: FloodOrder.

/** What a flood is like. */
export interface FloodOrder {
  readonly hostname: string;
  readonly port: number;
  /** New connections a second. */
  readonly rate: number;
  readonly seconds: number;
  /** What each says first, base64; empty: nothing. */
  readonly greeting: string;
  /** Most connections that are held open; more than that are closed. */
  readonly hold: number;
}

/** What came of a flood. */
export interface FloodReport {
  /** Connections that the system made. */
  readonly connected: number;
  /** Those that the system refused. */
  readonly refused: number;
  /** Those that were said anything. */
  readonly answered: number;
  /** Most that were open at once, as this side saw it. */
  readonly mostOpen: number;
}

const TICK_MS = 10;

async function flood(order: FloodOrder): Promise<FloodReport> {
  const greeting = Uint8Array.fromBase64(order.greeting);
  const open = new Set<Deno.TcpConn>();
  const counts = { connected: 0, refused: 0, answered: 0, mostOpen: 0 };
  const one = async () => {
    let connection: Deno.TcpConn;
    try {
      connection = await Deno.connect(order);
    } catch {
      counts.refused++;
      return;
    }
    counts.connected++;
    open.add(connection);
    counts.mostOpen = Math.max(counts.mostOpen, open.size);
    const [oldest] = open;
    if (open.size > order.hold && oldest) close(open, oldest);
    if (await hears(connection, greeting)) counts.answered++;
    close(open, connection);
  };
  const started = performance.now();
  let attempts = 0;
  for (;;) {
    const ms = performance.now() - started;
    if (ms > order.seconds * 1_000) break;
    for (; attempts < order.rate * ms / 1_000; attempts++) void one();
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  return counts;
}

/** Greets, then reads to the end. Whether anything came. */
async function hears(
  connection: Deno.TcpConn,
  greeting: Uint8Array,
): Promise<boolean> {
  const buffer = new Uint8Array(16 * 1024);
  let heard = false;
  try {
    if (greeting.length > 0) await connection.write(greeting);
    while (await connection.read(buffer) !== null) heard = true;
  } catch {
    // Cut by the other side, or by this one.
  }
  return heard;
}

function close(open: Set<Deno.TcpConn>, connection: Deno.TcpConn): void {
  if (!open.delete(connection)) return;
  connection.close();
}

if (import.meta.main) {
  const report = await flood(JSON.parse(Deno.args[0] ?? "{}"));
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(report)));
  // With what is open, and what still waits for a queue that was full.
  Deno.exit();
}
