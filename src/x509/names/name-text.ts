// Distinguished names as RFC 4514 text.

import { PkiError } from '../../errors/index.ts'
import { attributeName, isKnownAttribute } from './attribute-types.ts'
import type { EncodableAttribute } from './attribute-types.ts'
import type { AttributeTypeAndValue, RelativeDistinguishedName } from './relative-names.ts'

/** RFC 4514 §2: the last RDN first, `,` between RDNs, `+` inside one. */
export function formatDistinguishedName(rdns: readonly RelativeDistinguishedName[]): string {
  return [...rdns]
    .reverse()
    .map((rdn) => rdn.map(formatAttribute).join('+'))
    .join(',')
}

/** The attributes of RFC 4514 text in the order of the encoding. @throws ERR_NAME_INVALID */
export function parseDistinguishedName(text: string): EncodableAttribute[][] {
  if (text.length > maxTextLength)
    throw new PkiError(
      'ERR_NAME_INVALID',
      `the name has ${String(text.length)} characters; the maximum is ${String(maxTextLength)}`,
    )
  if (text === '') return []
  const rdns: EncodableAttribute[][] = []
  let rdn: EncodableAttribute[] = []
  let at = 0
  for (;;) {
    const equals = text.indexOf('=', at)
    if (equals < 0) throw invalid(text, at, 'an attribute has no "="')
    const type = text.slice(at, equals).trim()
    const value = readValue(text, equals + 1)
    rdn.push([type, value.content])
    at = value.end
    const separator = text[at]
    if (separator !== '+') {
      rdns.unshift(rdn)
      rdn = []
    }
    if (separator === undefined) return rdns
    at++
  }
}

function readValue(text: string, from: number): { content: string | Uint8Array; end: number } {
  let at = from
  while (text[at] === ' ') at++
  if (text[at] === '#') return readHexValue(text, at)
  const octets: number[] = []
  let kept = 0
  for (; at < text.length; at++) {
    const character = text[at] as string
    if (character === ',' || character === '+') break
    if ('"<>;'.includes(character)) throw invalid(text, at, `an unescaped ${character}`)
    if (character === '\\') {
      const pair = text.slice(at + 1, at + 3)
      const escaped = text[at + 1]
      if (/^[0-9a-fA-F]{2}$/.test(pair)) {
        octets.push(Number.parseInt(pair, 16))
        at += 2
      } else if (escaped !== undefined && ' "#+,;<=>\\'.includes(escaped)) {
        octets.push(escaped.charCodeAt(0))
        at += 1
      } else {
        throw invalid(text, at, 'a backslash without a character to escape')
      }
      kept = octets.length
      continue
    }
    const point = String.fromCodePoint(text.codePointAt(at) as number)
    if (/\p{Cs}/u.test(point)) throw invalid(text, at, 'a lone surrogate')
    octets.push(...Buffer.from(point, 'utf8'))
    at += point.length - 1
    if (character !== ' ') kept = octets.length
  }
  // Trailing blanks are not part of the value unless escaped (RFC 4514 §3).
  try {
    return {
      content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        Uint8Array.from(octets.slice(0, kept)),
      ),
      end: at,
    }
  } catch (cause) {
    throw new PkiError('ERR_NAME_INVALID', 'escaped octets are not UTF-8', { cause })
  }
}

/** `#` and the DER of the value in hexadecimal (RFC 4514 §2.4); the DER is checked with the whole name. */
function readHexValue(text: string, from: number): { content: Uint8Array; end: number } {
  const digits = /^(?:[0-9a-fA-F]{2})+/.exec(text.slice(from + 1))?.[0] ?? ''
  let end = from + 1 + digits.length
  while (text[end] === ' ') end++
  if (digits === '' || (end < text.length && text[end] !== ',' && text[end] !== '+'))
    throw invalid(text, from, 'a # is not followed by hexadecimal octets')
  return { content: Uint8Array.from(Buffer.from(digits, 'hex')), end }
}

function formatAttribute({ type, value, der }: AttributeTypeAndValue): string {
  // RFC 4514 §2.4: a value without a string form, or of a type without a short
  // name, is written as # and hexadecimal DER.
  const asText = value !== undefined && isKnownAttribute(type)
  return `${attributeName(type)}=${asText ? escapeValue(value) : `#${Buffer.from(der).toString('hex')}`}`
}

function escapeValue(value: string): string {
  let out = ''
  for (let i = 0; i < value.length; i++) {
    const character = value[i] as string
    const code = value.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) out += `\\${code.toString(16).padStart(2, '0').toUpperCase()}`
    else if (
      '"+,;<>\\='.includes(character) ||
      (i === 0 && character === '#') ||
      (character === ' ' && (i === 0 || i === value.length - 1))
    )
      out += `\\${character}`
    else out += character
  }
  return out
}

function invalid(text: string, at: number, what: string): PkiError {
  return new PkiError(
    'ERR_NAME_INVALID',
    `${what} at character ${String(at)} of ${JSON.stringify(text.slice(0, 100))} (RFC 4514)`,
  )
}

const maxTextLength = 16 * 1024
