// The allowed text and octets of a GeneralName (RFC 5280 section 4.2.1.6).

import { PkiError } from '../../errors/index.ts'
import type { GeneralNameUse } from './general-name.ts'

/**
 * The text, if a URI may have its characters: "The name MUST follow the URI syntax" (RFC 5280 §4.2.1.6).
 * Without the scheme, nothing else can be checked (RFC 3986 §2). @throws ERR_NAME_INVALID
 */
export function uriText(text: string, use: GeneralNameUse = 'name'): string {
  if (use === 'location') return text
  for (let at = 0; at < text.length; at++) {
    if (uriCharacters[text.charCodeAt(at)] !== 1)
      throw new PkiError(
        'ERR_NAME_INVALID',
        `uniformResourceIdentifier: the character ${JSON.stringify(text.charAt(at))} is not allowed in a ` +
          'URI (RFC 3986 §2)',
      )
  }
  return text
}

/**
 * No valid name of these kinds has control characters; software that stops at a NUL would read a different
 * name. @throws ERR_NAME_INVALID
 */
export function checkNameText(bytes: Uint8Array, start: number, end: number, what: string): void {
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number
    if (octet < 0x20 || octet === 0x7f)
      throw new PkiError(
        'ERR_NAME_INVALID',
        `${what}: the name has the control character 0x${octet.toString(16).padStart(2, '0')}`,
      )
  }
}

/** 4 or 16 octets, in a constraint twice as many. @throws ERR_NAME_INVALID */
export function checkIpLength(length: number, use: GeneralNameUse): void {
  const fits = use !== 'constraint' ? length === 4 || length === 16 : length === 8 || length === 32
  if (!fits)
    throw new PkiError(
      'ERR_NAME_INVALID',
      use === 'constraint'
        ? `iPAddress has ${length} octets, expected 8 or 32: an address and a mask (RFC 5280 4.2.1.10)`
        : `iPAddress has ${length} octets, expected 4 or 16 (RFC 5280 4.2.1.6)`,
    )
}

const uriCharacters: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]/.test(String.fromCharCode(code)) ? 1 : 0,
)
