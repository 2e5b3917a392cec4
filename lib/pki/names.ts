import { type Bytes, toHex } from "../base/bytes.ts";
import {
  isPrintable,
  oid,
  printableString,
  sequence,
  set,
  TAG,
  utf8String,
} from "./der.ts";
import type { DerReader } from "./der_reader.ts";
import { readText } from "./der_reader.ts";
import { OID } from "./oids.ts";

/** Most attributes that a name may have. */
const MAX_ATTRIBUTES = 32;
/** Longest name in a text for people, in characters. */
const MAX_SHOWN = 120;

/** From this tag on an element is constructed, or of a context's own type. */
const CONSTRUCTED = 0x20;

/** An attribute's type, dotted, and its value. */
export type NameAttribute = readonly [oid: string, value: string];

/**
 * A distinguished name. The shortcuts are set where the name has EXACTLY one
 * such attribute: with two, programs disagree on which one counts.
 */
export interface Name {
  readonly der: Bytes;
  readonly commonName?: string;
  readonly organization?: string;
  readonly organizationalUnit?: string;
  /** In order. A value of an uncommon type is `#` and the hex of its DER. */
  readonly attributes: readonly NameAttribute[];
}

/**
 * Writes a name of one attribute a step, as UTF8String; the serial number
 * attribute as PrintableString, which is its only type (X.520 §6.2.9).
 */
export function encodeName(attributes: readonly NameAttribute[]): Bytes {
  return sequence(...attributes.map(([type, value]) => {
    const printable = type === OID.serialNumber && isPrintable(value);
    const text = printable ? printableString(value) : utf8String(value);
    return set(sequence(ENCODED.get(type) ?? oid(type), text));
  }));
}

/**
 * Reads a name.
 *
 * @throws {SyntaxError} when what comes next is none
 */
export function readName(reader: DerReader): Name {
  const der = reader.peek(TAG.sequence);
  const steps = reader.sequenceOf(
    MAX_ATTRIBUTES,
    (step) => step.setOf(MAX_ATTRIBUTES, readAttribute),
  );
  if (steps.some((step) => step.length === 0)) {
    throw new SyntaxError("a name with an empty step");
  }
  const attributes = steps.flat();
  const only = (type: string) => {
    const found = attributes.filter(([each]) => each === type);
    return found.length === 1 ? found[0]?.[1] : undefined;
  };
  const commonName = only(OID.commonName);
  const organization = only(OID.organization);
  const organizationalUnit = only(OID.organizationalUnit);
  return {
    der,
    attributes,
    ...(commonName === undefined ? {} : { commonName }),
    ...(organization === undefined ? {} : { organization }),
    ...(organizationalUnit === undefined ? {} : { organizationalUnit }),
  };
}

/** Every leaf is written with these. */
const ENCODED: ReadonlyMap<string, Bytes> = new Map(
  [OID.commonName, OID.organization, OID.organizationalUnit]
    .map((type) => [type, oid(type)]),
);

const SHORT: ReadonlyMap<string, string> = new Map([
  [OID.commonName, "CN"],
  [OID.organization, "O"],
  [OID.organizationalUnit, "OU"],
  [OID.serialNumber, "serialNumber"],
]);

/** A name for people, such as `O=x, CN=y`, of bounded length. */
export function formatName(name: Name): string {
  const text = name.attributes
    .map(([type, value]) => `${SHORT.get(type) ?? type}=${value}`).join(", ");
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function readAttribute(reader: DerReader): NameAttribute {
  return reader.sequence((inner) => [inner.oid(), readValue(inner)]);
}

function readValue(reader: DerReader): string {
  const { tag, content, raw } = reader.element();
  // A value that is itself a structure would not be checked for DER.
  if (tag >= CONSTRUCTED) {
    throw new SyntaxError("a name with a structure in it");
  }
  if (tag === TAG.utf8String) return readText(content);
  if (tag !== TAG.printableString && tag !== TAG.ia5String) {
    return `#${toHex(raw)}`;
  }
  const text = readText(content);
  const fits = tag === TAG.printableString
    ? isPrintable(text)
    : text.length === content.length;
  if (!fits) {
    throw new SyntaxError("a name with a character outside of its type");
  }
  return text;
}
