// For speed alone (row verify/chain3-warm-cpu of the bench): the names that were read and compared before.

import { equalBytes } from '../../internal/bytes.ts'

/** A name that was read without a fault and without a tolerance. */
interface KnownName {
  /** A copy, because callers can get the octets of a certificate. */
  readonly octets: Uint8Array
  readonly comparisonKey: string
}

/**
 * Most certificates have one of a few issuers. Each name has one place, by its length and last octets, so
 * that the memory is limited; a name is known only if every octet is equal.
 */
const places = new Array<KnownName | undefined>(256).fill(undefined)

/** The comparison key of a name with these octets, if it was read before. */
export function knownComparisonKey(der: Uint8Array): string | undefined {
  const known = places[placeOf(der)]
  return known !== undefined && equalBytes(known.octets, der) ? known.comparisonKey : undefined
}

/** Stores a name in the cache, and replaces an earlier one. */
export function rememberName(der: Uint8Array, comparisonKey: string): void {
  if (der.length <= maxOctets) places[placeOf(der)] = { octets: new Uint8Array(der), comparisonKey }
}

function placeOf(der: Uint8Array): number {
  const { length } = der
  let sum = length
  for (let at = Math.max(0, length - 8); at < length; at++) sum = (sum * 31 + (der[at] as number)) & 0xffff
  return (sum ^ (sum >> 8)) & 0xff
}

const maxOctets = 512
