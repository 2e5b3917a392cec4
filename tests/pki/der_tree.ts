import { type Bytes, concat } from "../../lib/base/bytes.ts";
import { element } from "../../lib/pki/der.ts";
import { DerReader } from "../../lib/pki/der_reader.ts";

const CONSTRUCTED = 0x20;

/** Takes DER apart to its primitive elements and writes it again. */
export function rewriteDer(der: Bytes): Bytes {
  return concat(...rewriteAll(new DerReader(der, 0)));
}

function rewriteAll(reader: DerReader): Bytes[] {
  return reader.all(10_000, (inner) => {
    const { tag, content } = inner.element();
    if ((tag & CONSTRUCTED) === 0) return element(tag, [content]);
    return element(tag, rewriteAll(new DerReader(content, 0)));
  });
}
