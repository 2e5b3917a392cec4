// deno-lint-ignore-file no-console -- asked by `measureMachine`
const startedAt = performance.now();
const p256 = { name: "ECDSA", namedCurve: "P-256" };
await crypto.subtle.generateKey(p256, false, ["sign"]);
console.log(performance.now() - startedAt);
