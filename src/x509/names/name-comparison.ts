// Distinguished names compared by RFC 5280 section 7.1.

import type { AttributeTypeAndValue, RelativeDistinguishedName } from './relative-names.ts'

/**
 * The parts of `comparisonKey`; also used to compare the start of a name with a directory name constraint.
 */
export function rdnComparisonKey(rdn: RelativeDistinguishedName): string {
  const keys = rdn.map(attributeComparisonKey)
  return keys.length === 1 ? (keys[0] as string) : keys.sort().join('\u0002')
}

/** The length precedes the text, so that a value with a separator in it cannot look like two attributes. */
function attributeComparisonKey({ type, value, der }: AttributeTypeAndValue): string {
  if (value === undefined) return `${type}#${Buffer.from(der).toString('hex')}`
  const prepared = prepare(value)
  return `${type}=${String(prepared.length)}:${prepared}`
}

/**
 * Simplified string preparation (RFC 4518): compatibility form, case
 * folding, inner white space as one blank, none at the ends.
 */
function prepare(value: string): string {
  const folded = isPlainAscii(value) ? value.toLowerCase() : fold(value)
  return folded.replace(/[\t-\r\p{Zs}]+/gu, ' ').replace(/^ | $/g, '')
}

/**
 * RFC 4518 §2.2: letters by RFC 3454 B.2, with one sigma and no sharp s. Invisible characters are kept, where
 * the RFC maps them to nothing: no other validator treats names that differ in a NUL as equal, and only this
 * one would accept a path through both.
 */
function fold(value: string): string {
  return value
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll('\u03C2', '\u03C3')
    .replaceAll('\u00DF', 'ss')
}

/** Printable characters only. */
function isPlainAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code < 0x20 || code > 0x7e) return false
  }
  return true
}
