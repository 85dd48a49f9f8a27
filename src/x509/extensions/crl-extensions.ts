// Extensions of CRLs and of their entries: RFC 5280 sections 5.2 and 5.3.

import { DerReader, element, encodeGeneralizedTime, integer, readTime, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readGeneralNames } from '../names/general-name.ts'
import type { GeneralName } from '../names/general-name.ts'

/** Why a certificate was revoked: CRLReason, RFC 5280 §5.3.1. */
export type CrlReason =
  | 'unspecified' | 'keyCompromise' | 'cACompromise' | 'affiliationChanged' | 'superseded' | 'cessationOfOperation'
  | 'certificateHold' | 'removeFromCRL' | 'privilegeWithdrawn' | 'aACompromise'

/** The reasons by number; 7 is not used. */
export const crlReasons: readonly (CrlReason | undefined)[] = [
  'unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation',
  'certificateHold', undefined, 'removeFromCRL', 'privilegeWithdrawn', 'aACompromise',
]

/** CRL number or base CRL number: up to 20 octets. @throws ERR_DER, ERR_EXTENSION_MALFORMED */
export function parseCrlNumber(der: Uint8Array): bigint {
  const reader = new DerReader(der)
  const content = reader.expect(tags.integer, 'cRLNumber').content()
  reader.finish('cRLNumber')
  const leadingZero = content.length > 1 && content[0] === 0 && (content[1] as number) < 0x80
  if (content.length === 0 || leadingZero) throw new PkiError('ERR_DER', 'cRLNumber: an INTEGER that is not minimal')
  if ((content[0] as number) >= 0x80) throw new PkiError('ERR_EXTENSION_MALFORMED', 'cRLNumber: negative (RFC 5280 5.2.3)')
  if (content.length > 20) throw new PkiError('ERR_EXTENSION_MALFORMED', `cRLNumber: ${content.length} octets; at most 20 are allowed (RFC 5280 5.2.3)`)
  return BigInt(`0x${Buffer.from(content).toString('hex')}`)
}

/** @throws ERR_DER, ERR_EXTENSION_MALFORMED */
export function parseReasonCode(der: Uint8Array): CrlReason {
  const reader = new DerReader(der)
  const content = reader.expect(tags.enumerated, 'reasonCode').content()
  reader.finish('reasonCode')
  const reason = content.length === 1 ? crlReasons[content[0] as number] : undefined
  if (reason === undefined) throw new PkiError('ERR_EXTENSION_MALFORMED', 'reasonCode: a number that names no reason (RFC 5280 5.3.1)')
  return reason
}

/** Milliseconds since the epoch. @throws ERR_DER, ERR_TIME_INVALID */
export function parseInvalidityDate(der: Uint8Array): number {
  const reader = new DerReader(der)
  if (reader.peek() !== tags.generalizedTime) throw new PkiError('ERR_EXTENSION_MALFORMED', 'invalidityDate: a GeneralizedTime is wanted (RFC 5280 5.3.2)')
  const time = readTime(reader, 'invalidityDate')
  reader.finish('invalidityDate')
  return time
}

/** @throws ERR_DER, ERR_NAME_INVALID */
export function parseCertificateIssuer(der: Uint8Array): readonly GeneralName[] {
  const reader = new DerReader(der)
  reader.expect(tags.sequence, 'certificateIssuer').finish('certificateIssuer')
  return readGeneralNames(reader.inner(), 'certificateIssuer')
}

/** DER of a CRL number. */
export function encodeCrlNumber(number: bigint | number): Uint8Array {
  return integer(BigInt(number))
}

/** DER of a reason code. */
export function encodeReasonCode(reason: CrlReason): Uint8Array {
  return element(tags.enumerated, Uint8Array.of(crlReasons.indexOf(reason)))
}

/** DER of an invalidity date. */
export function encodeInvalidityDate(ms: number): Uint8Array {
  return encodeGeneralizedTime(ms)
}
