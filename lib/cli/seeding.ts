const P256 = { name: "ECDSA", namedCurve: "P-256" };

/**
 * Has the TLS library of the runtime seed its generator, beside what the caller
 * goes on with. It takes 75 ms of a core, once for a process, from the jitter
 * of timing, and whoever needs the first key or connection would wait for it
 * (see `systemCrypto`): at its start a daemon has modules to load meanwhile.
 */
export function seedEarly(): void {
  // Should it fail, the first real key says so.
  crypto.subtle.generateKey(P256, false, ["sign"]).catch(() => {});
}
