// Strict base64 and base64url: RFC 4648 sections 3.5, 4 and 5. The platform's decoders ignore garbage and stop at "=" (threats W10).

import { PkiError } from '../errors/index.ts'

/**
 * Octets of canonical base64: alphabet of section 4, padded, no white space, no bits left over.
 *
 * @throws ERR_BASE64
 */
export function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new PkiError('ERR_BASE64', 'the text is not padded base64')
  const octets = Buffer.from(text, 'base64')
  // One comparison finds every other spelling of the same octets.
  if (octets.toString('base64') !== text) throw new PkiError('ERR_BASE64', 'the text is not canonical base64')
  return plain(octets)
}

/**
 * Octets of canonical base64url without padding.
 *
 * @throws ERR_BASE64
 */
export function decodeBase64url(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new PkiError('ERR_BASE64', 'the text is not base64url')
  const octets = Buffer.from(text, 'base64url')
  if (octets.toString('base64url') !== text) throw new PkiError('ERR_BASE64', 'the text is not canonical base64url')
  return plain(octets)
}

/** Without Buffer's pool behind it and without its methods. */
function plain(octets: Buffer): Uint8Array {
  return new Uint8Array(octets)
}
