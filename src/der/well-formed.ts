// Validates elements of an open type (ANY) as DER at every level: framing,
// content by type, and a depth limit.

import { PkiError } from '../errors/index.ts'
import { DerReader } from './der-reader.ts'
import { bitStringContent, booleanContent, checkInteger, checkOid, nullContent, tags } from './primitives.ts'
import { isStringTag, stringContent } from './strings.ts'

/** The deepest nesting that is accepted; X.509 needs about 12. */
const maxDepth = 32

/**
 * Refuses an element of an open type that is not DER: framing, the content of the universal types,
 * constructed forms of primitive types (X.690 10.2), primitive forms of constructed types, times that are not
 * in the form of 11.7 and 11.8, a SET OF that is not sorted (11.6).
 *
 * @throws ERR_DER, ERR_DER_DEPTH, ERR_OID_INVALID, ERR_STRING_INVALID, ERR_TIME_INVALID
 */
export function checkWellFormed(bytes: Uint8Array, what: string): void {
  const outer = new DerReader(bytes)
  outer.next(what)
  outer.finish(what)
  checkElement(outer, what, 0)
}

function checkElement(reader: DerReader, what: string, depth: number): void {
  if (depth > maxDepth)
    throw new PkiError('ERR_DER_DEPTH', `${what}: nested deeper than ${String(maxDepth)} levels`)
  const { tag } = reader
  if ((tag & 0x20) !== 0) checkConstructed(reader, what, depth)
  else if (tag < 0x40) checkPrimitive(reader, what)
}

function checkConstructed(reader: DerReader, what: string, depth: number): void {
  const { tag } = reader
  if (tag < 0x40 && !constructedTags.has(tag & 0x1f))
    throw new PkiError(
      'ERR_DER',
      `${what}: universal tag ${String(tag & 0x1f)} is constructed; DER requires the primitive form ` +
        '(X.690 10.2)',
    )
  const inner = reader.inner()
  let before: Uint8Array | undefined
  while (!inner.done) {
    inner.next(what)
    checkElement(inner, what, depth + 1)
    if (tag !== tags.set) continue
    const element = inner.element()
    // The components of a SET have different tags; two components with one tag mean a SET OF.
    if (before?.[0] === element[0] && Buffer.compare(before as Uint8Array, element) > 0)
      throw new PkiError(
        'ERR_DER',
        `${what}: the elements of a SET OF are not in ascending order (X.690 11.6)`,
      )
    before = element
  }
}

function checkPrimitive(reader: DerReader, what: string): void {
  const { tag, bytes, contentStart, contentEnd } = reader
  if (constructedTags.has(tag))
    throw new PkiError(
      'ERR_DER',
      `${what}: a primitive element of universal tag ${String(tag)}, which has components (X.690 8.9.1, ` +
        '8.18)',
    )
  if (tag === tags.boolean) booleanContent(reader, what)
  else if (tag === tags.integer || tag === tags.enumerated)
    checkInteger(bytes, contentStart, contentEnd, what)
  else if (tag === tags.bitString) bitStringContent(reader, what)
  else if (tag === tags.null) nullContent(reader, what)
  else if (tag === tags.oid || tag === relativeOid) checkOid(bytes, contentStart, contentEnd)
  else if (isStringTag(tag)) stringContent(reader, what)
  else if (tag === tags.utcTime || tag === tags.generalizedTime) checkTime(reader, what)
}

/** A time of an open type may have a fraction; only the fields of RFC 5280 forbid it. */
function checkTime(reader: DerReader, what: string): void {
  const text = Buffer.from(reader.content().subarray(0, 64)).toString('latin1')
  const form = reader.tag === tags.utcTime ? utcTimeForm : generalizedTimeForm
  if (!form.test(text))
    throw new PkiError(
      'ERR_TIME_INVALID',
      `${what}: ${JSON.stringify(text)} is not a DER time (X.690 11.7, 11.8)`,
    )
}

/**
 * EXTERNAL, EMBEDDED PDV, SEQUENCE, SET and CHARACTER STRING are always
 * constructed; every other universal type is primitive in DER.
 */
const constructedTags: ReadonlySet<number> = new Set([8, 11, 16, 17, 29])
const relativeOid = 13
const fields = '(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])(?:[01]\\d|2[0-3])[0-5]\\d[0-5]\\d'
const utcTimeForm = new RegExp(`^\\d{2}${fields}Z$`)
const generalizedTimeForm = new RegExp(`^\\d{4}${fields}(?:\\.\\d{0,30}[1-9])?Z$`)
