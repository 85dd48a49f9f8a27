// Checks DER all the way down where a type is open (ANY): framing of every element, under a depth limit.

import { PkiError } from '../errors/index.ts'
import { DerReader } from './der-reader.ts'
import { bitStringContent, booleanContent, checkInteger, checkOid, nullContent, tags } from './primitives.ts'

/** Deepest nesting that is followed; X.509 needs about 12. */
const maxDepth = 32

/**
 * Refuses an element of an open type that is not DER: framing, BOOLEAN, INTEGER, BIT STRING, NULL and OID contents, and
 * constructed forms of universal primitive types (X.690 10.2).
 *
 * @throws ERR_DER, ERR_DER_DEPTH, ERR_OID_INVALID
 */
export function checkWellFormed(bytes: Uint8Array, what: string): void {
  const outer = new DerReader(bytes)
  outer.next()
  outer.finish(what)
  checkElement(outer, what, 0)
}

function checkElement(reader: DerReader, what: string, depth: number): void {
  if (depth > maxDepth) throw new PkiError('ERR_DER_DEPTH', `${what}: nested deeper than ${String(maxDepth)}`)
  const { tag } = reader
  const universal = tag < 0x40
  if ((tag & 0x20) !== 0) {
    if (universal && tag !== tags.sequence && tag !== tags.set) {
      throw new PkiError('ERR_DER', `${what}: a constructed element of universal tag ${String(tag & 0x1f)} (X.690 10.2)`)
    }
    const inner = reader.inner()
    while (!inner.done) {
      inner.next()
      checkElement(inner, what, depth + 1)
    }
    return
  }
  if (tag === tags.boolean) booleanContent(reader, what)
  else if (tag === tags.integer || tag === tags.enumerated) checkInteger(reader.bytes, reader.contentStart, reader.contentEnd, what)
  else if (tag === tags.bitString) bitStringContent(reader, what)
  else if (tag === tags.null) nullContent(reader, what)
  else if (tag === tags.oid) checkOid(reader.bytes, reader.contentStart, reader.contentEnd)
  else if (universal && (tag === 0x10 || tag === 0x11)) throw new PkiError('ERR_DER', `${what}: a primitive SEQUENCE or SET`)
}
