// The extensions of a list or an OCSP response that is used for revocations only: each is read as far as
// possible.

import { DerReader, readOid, tags } from '../../der/index.ts'
import { readExtensions } from '../extensions/extension.ts'
import type { Extension } from '../extensions/extension.ts'
import { ifReadable } from '../crl/revoked-entry.ts'
import type { Tolerance } from '../tolerances.ts'

/** Extensions, some of which may be missing. */
export interface AccusingExtensions {
  /** The extensions with a readable type. An unreadable value is replaced by empty octets. */
  readonly extensions: readonly Extension[]
  /** Whether every extension was read. */
  readonly areAll: boolean
}

/**
 * The `Extensions` between two offsets. Types may repeat. An extension whose value cannot be read keeps its
 * type and its criticality: a critical one that is not supported forbids the use of the object (RFC 5280
 * §5.2).
 */
export function readAccusingExtensions(
  wrapper: DerReader,
  tolerances: readonly Tolerance[],
): AccusingExtensions {
  const list = ifReadable(() => wrapper.expect(tags.sequence, 'extensions').inner())
  if (list === undefined) return { extensions: [], areAll: false }
  const extensions: Extension[] = []
  let areAll = wrapper.done
  while (!list.done) {
    if (extensions.length >= maxExtensions || ifReadable(() => list.next()) === undefined)
      return { extensions, areAll: false }
    const { start, contentEnd } = list
    const one = new DerReader(list.bytes, start, contentEnd)
    const whole = ifReadable(() => readExtensions(one, 'extension', tolerances)[0])
    const found = whole ?? partOf(list)
    if (found !== undefined) extensions.push(found)
    areAll &&= whole !== undefined
  }
  return { extensions, areAll }
}

/**
 * Type and criticality of the element read last; any BOOLEAN but FALSE in its DER form counts as critical.
 */
function partOf(list: DerReader): Extension | undefined {
  if (list.tag !== tags.sequence) return undefined
  return ifReadable(() => {
    const one = list.inner()
    const oid = readOid(one, 'extnID')
    const critical = one.peek() === tags.boolean && !isFalse(one)
    return Object.freeze({ oid, critical, value: nothing })
  })
}

function isFalse(reader: DerReader): boolean {
  reader.next()
  const content = reader.content()
  return content.length === 1 && content[0] === 0
}

const nothing = new Uint8Array(0)
const maxExtensions = 100
