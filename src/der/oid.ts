// Object identifiers between content octets and dotted text: X.690 section 8.19.

import { PkiError } from '../errors/index.ts'

/** Longest content that is read, in octets (threats: CVE-2023-2650, huge sub-identifiers). */
const maxOidOctets = 64

/**
 * Dotted text of OID content octets.
 *
 * @throws ERR_OID_INVALID where it is empty, cut off, padded or longer than 64 octets.
 */
export function decodeOid(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  checkOid(bytes, start, end)
  let text = ''
  let value = 0
  let large: bigint | undefined
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number
    if (large !== undefined) large = (large << 7n) | BigInt(octet & 0x7f)
    else if (value > 0x3fffffff) large = (BigInt(value) << 7n) | BigInt(octet & 0x7f) // never truncated: CVE-2025-66030
    else value = value * 128 + (octet & 0x7f)
    if (octet >= 0x80) continue
    if (text !== '') text += `.${large === undefined ? String(value) : large.toString()}`
    else if (large !== undefined) text = `2.${(large - 80n).toString()}`
    else text = value < 80 ? `${value < 40 ? '0' : '1'}.${String(value % 40)}` : `2.${String(value - 80)}`
    value = 0
    large = undefined
  }
  return text
}

/** Refuses OID content that is empty, too long, cut off or padded. @throws ERR_OID_INVALID */
export function checkOid(bytes: Uint8Array, start: number, end: number): void {
  if (end <= start) throw new PkiError('ERR_OID_INVALID', 'an object identifier without content')
  if (end - start > maxOidOctets) {
    throw new PkiError('ERR_OID_INVALID', `an object identifier of ${String(end - start)} octets; at most ${String(maxOidOctets)} are read`)
  }
  let first = true
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number
    if (first && octet === 0x80) throw new PkiError('ERR_OID_INVALID', 'an object identifier with a padded arc (X.690 8.19.2)')
    first = octet < 0x80
  }
  if (!first) throw new PkiError('ERR_OID_INVALID', 'an object identifier that is cut off inside an arc')
}

/**
 * Content octets of a dotted object identifier.
 *
 * @throws ERR_OID_INVALID
 */
export function encodeOid(text: string): Uint8Array {
  if (text.length > 256 || !/^[0-2](\.(0|[1-9][0-9]*))+$/.test(text)) throw new PkiError('ERR_OID_INVALID', `"${text}" is not an object identifier`)
  const arcs = text.split('.').map((arc) => BigInt(arc))
  const root = arcs[0] as bigint
  const second = arcs[1] as bigint
  if (root < 2n && second > 39n) throw new PkiError('ERR_OID_INVALID', `"${text}": the second arc is above 39`)
  const octets: number[] = []
  for (const arc of [root * 40n + second, ...arcs.slice(2)]) {
    const groups = [Number(arc & 0x7fn)]
    for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) groups.unshift(Number(rest & 0x7fn) | 0x80)
    octets.push(...groups)
  }
  if (octets.length > maxOidOctets) throw new PkiError('ERR_OID_INVALID', `"${text}" is longer than ${String(maxOidOctets)} octets`)
  return Uint8Array.from(octets)
}
