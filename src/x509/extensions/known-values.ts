// For speed alone (row verify/chain3-warm-cpu of the bench): values of extensions that were decoded before.

import { readerOf } from '../../der/index.ts'
import type { DerInput } from '../../der/index.ts'
import { freezeDeep } from '../../internal/freeze-deep.ts'
import type { Tolerance } from '../tolerances.ts'

/** A value that was decoded without a fault and without a tolerance. */
interface KnownValue {
  /** A copy, because callers can get the octets of a certificate. */
  readonly octets: Uint8Array
  /** Frozen, and without octets, because every certificate with this extension shares it. */
  readonly value: unknown
}

/**
 * The decoder of an extension that has one of a few values in most certificates. Each value has one place, by
 * its length and last octet, so that the memory is limited; a value is known only if every octet is equal.
 */
export function rememberingParser<T>(
  parse: (value: DerInput, tolerances: readonly Tolerance[]) => T,
): (value: DerInput, tolerances: readonly Tolerance[]) => T {
  const places = new Array<KnownValue | undefined>(placeCount).fill(undefined)
  return (input, tolerances) => {
    if (tolerances.length > 0) return parse(input, tolerances)
    const { bytes, offset, end } = readerOf(input)
    const place = (((end - offset) << 3) ^ (bytes[end - 1] ?? 0)) % placeCount
    const known = places[place]
    if (known !== undefined && isEqual(known.octets, bytes, offset, end)) return known.value as T
    const value = freezeDeep(parse(input, tolerances))
    if (end - offset <= maxOctets) places[place] = { octets: bytes.slice(offset, end), value }
    return value
  }
}

function isEqual(octets: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = octets
  if (length !== end - start) return false
  for (let at = 0; at < length; at++) if (octets[at] !== bytes[start + at]) return false
  return true
}

const placeCount = 64
const maxOctets = 64
