/** Lets the next start of a worker begin with a renewal. */
export async function makeDue(stateDir: string): Promise<void> {
  const state = await readState(stateDir);
  for (const each of Object.values(state.nodes)) each.renewAt = 0;
  await Deno.writeTextFile(`${stateDir}/state.json`, JSON.stringify(state));
}

/** Whether {@linkcode makeDue} was the last to say when. */
export async function isDue(stateDir: string): Promise<boolean> {
  const { nodes } = await readState(stateDir);
  return Object.values(nodes).some(({ renewAt }) => renewAt === 0);
}

interface WorkerState {
  readonly nodes: Record<string, { renewAt: number }>;
}

async function readState(stateDir: string): Promise<WorkerState> {
  return JSON.parse(await Deno.readTextFile(`${stateDir}/state.json`));
}
