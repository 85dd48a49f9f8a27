// Distinguished names as text: RFC 4514, both ways.

import { PkiError } from '../../errors/index.ts'
import { attributeName } from './attribute-types.ts'
import type { NameAttribute } from './encode-attributes.ts'

interface TextAttribute {
  readonly type: string
  readonly value: string | undefined
  readonly der: Uint8Array
}

/** RFC 4514 §2: the last RDN first, `,` between RDNs, `+` inside one. */
export function formatDistinguishedName(rdns: readonly (readonly TextAttribute[])[]): string {
  return [...rdns].reverse().map((rdn) => rdn.map(formatAttribute).join('+')).join(',')
}

/** The attributes of RFC 4514 text in the order of the encoding. @throws ERR_NAME_INVALID */
export function parseDistinguishedName(text: string): NameAttribute[][] {
  if (text.length > maxTextLength) throw new PkiError('ERR_NAME_INVALID', `a name of ${String(text.length)} characters; at most ${String(maxTextLength)} are read`)
  if (text === '') return []
  const rdns: NameAttribute[][] = []
  let rdn: NameAttribute[] = []
  let at = 0
  for (;;) {
    const equals = text.indexOf('=', at)
    if (equals < 0) throw invalid(text, at, 'an attribute without "="')
    const type = text.slice(at, equals).trim()
    const value = readValue(text, equals + 1)
    rdn.push([type, value.text])
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

function readValue(text: string, from: number): { text: string; end: number } {
  let at = from
  while (text[at] === ' ') at++
  const octets: number[] = []
  let kept = 0
  for (; at < text.length; at++) {
    const character = text[at] as string
    if (character === ',' || character === '+') break
    if ('"<>;'.includes(character)) throw invalid(text, at, `a ${character} that is not escaped`)
    if (character === '#' && octets.length === 0) throw invalid(text, at, 'a value in hexadecimal form, which is not read')
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
        throw invalid(text, at, 'a backslash that escapes nothing')
      }
      kept = octets.length
      continue
    }
    const point = String.fromCodePoint(text.codePointAt(at) as number)
    octets.push(...Buffer.from(point, 'utf8'))
    at += point.length - 1
    if (character !== ' ') kept = octets.length
  }
  // Blanks at the end do not belong to the value unless escaped (RFC 4514 §3).
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(octets.slice(0, kept))), end: at }
  } catch (cause) {
    throw new PkiError('ERR_NAME_INVALID', 'escaped octets that are not UTF-8', { cause })
  }
}

function formatAttribute({ type, value, der }: TextAttribute): string {
  // RFC 4514 §2.4: what has no string form is written as # and the hexadecimal DER.
  return `${attributeName(type)}=${value === undefined ? `#${Buffer.from(der).toString('hex')}` : escapeValue(value)}`
}

function escapeValue(value: string): string {
  let out = ''
  for (let i = 0; i < value.length; i++) {
    const character = value[i] as string
    const code = value.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) out += `\\${code.toString(16).padStart(2, '0').toUpperCase()}`
    else if ('"+,;<>\\='.includes(character) || (i === 0 && character === '#') || (character === ' ' && (i === 0 || i === value.length - 1))) out += `\\${character}`
    else out += character
  }
  return out
}

function invalid(text: string, at: number, what: string): PkiError {
  return new PkiError('ERR_NAME_INVALID', `${what} at character ${String(at)} of ${JSON.stringify(text.slice(0, 100))} (RFC 4514)`)
}

const maxTextLength = 16 * 1024
