/** Says something to whoever watches the tests: a seed, a measurement. */
export function note(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}
