/** The start of the runtime, and its end: {@linkcode measureMachine}. */
