import type { Host } from "./command.ts";
import { programForm } from "./self_command.ts";
import { VERSION } from "./version.ts";

/** `version` */
export async function showVersion(
  { json, host }: { readonly json: boolean; readonly host: Host },
): Promise<number> {
  const facts = {
    version: VERSION,
    form: programForm(host.env),
    deno: Deno.version.deno,
    os: Deno.build.os,
    arch: Deno.build.arch,
  };
  const { version, form, deno, os, arch } = facts;
  if (json) await host.output.json(facts);
  else {
    await host.output.lines([
      `swarmd ${version} (${form}, deno ${deno}, ${os} ${arch})`,
    ]);
  }
  return 0;
}
