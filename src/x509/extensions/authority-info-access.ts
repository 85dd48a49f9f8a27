// Authority and subject information access: RFC 5280 sections 4.2.2.1 and 4.2.2.2.

import { decodeOid, oid, readWhole, sequence, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { encodeGeneralName, readGeneralName } from '../names/general-name.ts'
import type { GeneralName } from '../names/general-name.ts'

/** Where to reach something, and how: `1.3.6.1.5.5.7.48.1` OCSP, `1.3.6.1.5.5.7.48.2` issuer certificates. */
export interface AccessDescription {
  readonly method: string
  readonly location: GeneralName
}

/** @throws ERR_DER, ERR_OID_INVALID, ERR_NAME_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parseInfoAccess(der: Uint8Array, what: string): readonly AccessDescription[] {
  const list = readWhole(der, tags.sequence, what)
  const descriptions: AccessDescription[] = []
  while (!list.done) {
    if (descriptions.length >= maxDescriptions) throw new PkiError('ERR_LIMIT_EXCEEDED', `${what}: more than ${String(maxDescriptions)} entries`)
    const reader = list.expect(tags.sequence, 'AccessDescription').inner()
    reader.expect(tags.oid, 'accessMethod')
    const method = decodeOid(der, reader.contentStart, reader.contentEnd)
    const location = readGeneralName(reader)
    reader.finish('AccessDescription')
    descriptions.push({ method, location })
  }
  if (descriptions.length === 0) throw new PkiError('ERR_EXTENSION_MALFORMED', `${what}: no entry at all (RFC 5280: SIZE (1..MAX))`)
  return descriptions
}

/** DER of an information access extension. */
export function encodeInfoAccess(descriptions: readonly AccessDescription[]): Uint8Array {
  return sequence(...descriptions.map(({ method, location }) => sequence(oid(method), encodeGeneralName(location))))
}

const maxDescriptions = 1000
