import type { ClusterRecord } from "../cluster/cluster.ts";
import type { SealedValue } from "../pki/sealed.ts";
import type { RootRecord } from "../cluster/root_record.ts";
import { authKeyName, clientKeyName, rootKeyName } from "./authority_source.ts";
import { tokenName } from "./bootstrap.ts";

/** A secret in the cluster's record, with the name that it is sealed under. */
export interface NamedSecret {
  readonly name: string;
  readonly value: SealedValue;
}

/** Every secret in the cluster's record that is known by name. */
export function namedSecrets(cluster: ClusterRecord): NamedSecret[] {
  const { root, tokens, rotation } = cluster;
  const all = [
    ...secretsOf(root),
    ...(rotation ? secretsOf(rotation.target) : []),
    { name: tokenName("worker"), value: tokens.worker?.secret },
    { name: tokenName("manager"), value: tokens.manager?.secret },
  ];
  return all.flatMap(({ name, value }) => value ? [{ name, value }] : []);
}

function secretsOf({ generation, key, external = [] }: RootRecord) {
  const of = external.flatMap(({ authKey, identity }, at) => [
    { name: authKeyName(generation, at), value: authKey },
    { name: clientKeyName(generation, at), value: identity?.key },
  ]);
  return [{ name: rootKeyName(generation), value: key }, ...of];
}

/** Those that another key than that of a version seals, at most so many. */
export function staleSecrets(
  cluster: ClusterRecord,
  { version, limit }: { readonly version: number; readonly limit: number },
): NamedSecret[] {
  return namedSecrets(cluster)
    .filter(({ value }) => value.version !== version)
    .slice(0, limit);
}

/**
 * The versions of the keys that seal anything in a record, whatever it is: also
 * what is not known by name. A key in use is never destroyed.
 */
export function versionsIn(record: unknown): Set<number> {
  const versions = new Set<number>();
  const visit = (value: unknown) => {
    if (typeof value !== "object" || value === null) return;
    if (isSealed(value)) versions.add(value.version);
    else for (const part of Object.values(value)) visit(part);
  };
  visit(record);
  return versions;
}

/**
 * A record with sealed values replaced, by their data, wherever they are by
 * now: a rotation may have moved a key meanwhile.
 */
export function replaceSealed<T>(
  record: T,
  replacements: ReadonlyMap<string, SealedValue>,
): T {
  // Only values of one type take each other's place.
  return replaced(record, replacements) as T;
}

function replaced(
  value: unknown,
  replacements: ReadonlyMap<string, SealedValue>,
): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isSealed(value)) return replacements.get(value.data) ?? value;
  if (Array.isArray(value)) {
    return value.map((part) => replaced(part, replacements));
  }
  return Object.fromEntries(
    Object.entries(value).map((
      [name, part],
    ) => [name, replaced(part, replacements)]),
  );
}

function isSealed(value: object): value is SealedValue {
  return "version" in value && typeof value.version === "number" &&
    "data" in value && typeof value.data === "string" &&
    Object.keys(value).length === 2;
}
