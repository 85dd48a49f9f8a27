// Subject and authority key identifiers: RFC 5280 sections 4.2.1.1 and 4.2.1.2.

import { DerReader, contextConstructed, contextPrimitive, checkInteger, implicit, octetString, readWhole, sequence, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readGeneralNames } from '../names/general-name.ts'
import type { GeneralName } from '../names/general-name.ts'
import { serialNumberFromBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'

/** Which key signed: by identifier, or by its certificate's issuer and serial number. */
export interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Uint8Array | undefined
  readonly issuer: readonly GeneralName[] | undefined
  readonly serialNumber: SerialNumber | undefined
}

/** @throws ERR_DER */
export function parseSubjectKeyIdentifier(der: Uint8Array): Uint8Array {
  const reader = new DerReader(der)
  const identifier = reader.expect(tags.octetString, 'subjectKeyIdentifier').content()
  reader.finish('subjectKeyIdentifier')
  if (identifier.length === 0) throw new PkiError('ERR_EXTENSION_MALFORMED', 'subjectKeyIdentifier: no octets')
  return identifier
}

/** DER of the subject key identifier extension. */
export function encodeSubjectKeyIdentifier(identifier: Uint8Array): Uint8Array {
  return octetString(identifier)
}

/** @throws ERR_DER, ERR_EXTENSION_MALFORMED, ERR_NAME_INVALID */
export function parseAuthorityKeyIdentifier(der: Uint8Array): AuthorityKeyIdentifier {
  const reader = readWhole(der, tags.sequence, 'authorityKeyIdentifier')
  const keyIdentifier = reader.optional(contextPrimitive(0)) ? reader.content() : undefined
  const issuer = reader.optional(contextConstructed(1)) ? readGeneralNames(reader.inner(), 'authorityCertIssuer') : undefined
  let serialNumber: SerialNumber | undefined
  if (reader.optional(contextPrimitive(2))) {
    checkInteger(der, reader.contentStart, reader.contentEnd, 'authorityCertSerialNumber')
    serialNumber = serialNumberFromBytes(reader.content())
  }
  reader.finish('authorityKeyIdentifier')
  // RFC 5280 appendix A.2: both or neither.
  if ((issuer === undefined) !== (serialNumber === undefined)) {
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'authorityKeyIdentifier: issuer and serial number come together (RFC 5280 4.2.1.1)')
  }
  return { keyIdentifier, issuer, serialNumber }
}

/** DER of an authority key identifier of the keyIdentifier form, the only one that is issued (threats L29). */
export function encodeAuthorityKeyIdentifier(keyIdentifier: Uint8Array): Uint8Array {
  return sequence(implicit(0, keyIdentifier))
}
