// Subject and issuer alternative names: RFC 5280 sections 4.2.1.6 and 4.2.1.7.

import { readWhole, sequence, tags } from '../../der/index.ts'
import { encodeGeneralName, readGeneralNames } from '../names/general-name.ts'
import type { GeneralName } from '../names/general-name.ts'

/** Every name, of every kind, in order; at least one. @throws ERR_DER, ERR_NAME_INVALID, ERR_STRING_INVALID, ERR_LIMIT_EXCEEDED */
export function parseAltName(der: Uint8Array, what: string): readonly GeneralName[] {
  return readGeneralNames(readWhole(der, tags.sequence, what), what)
}

/** DER of a subject or issuer alternative name extension. */
export function encodeAltName(names: readonly GeneralName[]): Uint8Array {
  return sequence(...names.map(encodeGeneralName))
}
