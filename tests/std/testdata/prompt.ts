import { promptSecret } from "@std/cli";

const options = JSON.parse(Deno.args[0] ?? "{}");
const answer = promptSecret("Token:", options);
await Deno.stdout.write(
  new TextEncoder().encode(`answer=${JSON.stringify(answer)}\n`),
);
