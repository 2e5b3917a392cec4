/** A long-running part of the program; ends when its signal is aborted. */
export type Task = (signal: AbortSignal) => Promise<void>;

/**
 * Runs tasks as one: the first that ends or fails, or the outer signal, aborts
 * the others; resolves when ALL have ended. A session, and a program, ends as
 * a whole.
 *
 * @throws the first failure that is not the abort itself
 */
export async function runTasks(
  tasks: readonly Task[],
  outer: AbortSignal,
): Promise<void> {
  const group = new AbortController();
  const stop = () => group.abort(outer.reason);
  outer.addEventListener("abort", stop, { once: true });
  if (outer.aborted) stop();
  let failure: { error: unknown } | undefined;
  const run = async (task: Task) => {
    try {
      await task(group.signal);
    } catch (error) {
      if (!group.signal.aborted) failure = { error };
    } finally {
      group.abort(new DOMException("Task group ended", "AbortError"));
    }
  };
  await Promise.all(tasks.map(run));
  outer.removeEventListener("abort", stop);
  if (failure) throw failure.error;
}
