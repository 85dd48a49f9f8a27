// Information access of certificates, the number of a list, and the extensions of its entries (RFC 5280
// sections 4.2.2, 5.2.3 and 5.3).

import {
  DerReader,
  element,
  encodeGeneralizedTime,
  integer,
  oid,
  readOid,
  readTime,
  readWhole,
  sequence,
  tags,
} from '../../der/index.ts'
import type { DerInput } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { encodeGeneralName } from '../names/general-name-encoder.ts'
import { readGeneralName, readGeneralNames } from '../names/general-name-reader.ts'
import type { GeneralName, GeneralNameUse } from '../names/general-name.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'

/** A location and its access method: `1.3.6.1.5.5.7.48.1` OCSP, `1.3.6.1.5.5.7.48.2` issuer certificates. */
export interface AccessDescription {
  readonly method: string
  readonly location: GeneralName
}

/** @throws ERR_DER, ERR_OID_INVALID, ERR_NAME_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parseInfoAccess(
  der: DerInput,
  what: string,
  tolerances: readonly Tolerance[] = noTolerances,
  use: GeneralNameUse = 'location',
): readonly AccessDescription[] {
  const list = readWhole(der, tags.sequence, what)
  const descriptions: AccessDescription[] = []
  while (!list.done) {
    if (descriptions.length >= maxDescriptions)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `${what}: more than ${String(maxDescriptions)} entries`)
    const reader = list.expect(tags.sequence, 'AccessDescription').inner()
    const method = readOid(reader, 'accessMethod')
    const location = readGeneralName(reader, use, tolerances)
    reader.finish('AccessDescription')
    descriptions.push({ method, location })
  }
  if (descriptions.length === 0)
    throw new PkiError('ERR_EXTENSION_MALFORMED', `${what}: the list is empty (RFC 5280: SIZE (1..MAX))`)
  return descriptions
}

/** DER of an information access extension. */
export function encodeInfoAccess(descriptions: readonly AccessDescription[]): Uint8Array {
  return sequence(
    ...descriptions.map(({ method, location }) => sequence(oid(method), encodeGeneralName(location))),
  )
}

const maxDescriptions = 1000

/** The reason for a revocation: CRLReason, RFC 5280 §5.3.1. @inline */
export type CrlReason =
  | 'unspecified'
  | 'keyCompromise'
  | 'cACompromise'
  | 'affiliationChanged'
  | 'superseded'
  | 'cessationOfOperation'
  | 'certificateHold'
  | 'removeFromCRL'
  | 'privilegeWithdrawn'
  | 'aACompromise'

/** The reasons by number; 7 is not used. */
export const crlReasons: readonly (CrlReason | undefined)[] = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  undefined,
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
]

/** CRL number or base CRL number: up to 20 octets. @throws ERR_DER, ERR_EXTENSION_MALFORMED */
export function parseCrlNumber(der: Uint8Array): bigint {
  const reader = new DerReader(der)
  const content = reader.expect(tags.integer, 'cRLNumber').content()
  reader.finish('cRLNumber')
  const leadingZero = content.length > 1 && content[0] === 0 && (content[1] as number) < 0x80
  if (content.length === 0 || leadingZero)
    throw new PkiError('ERR_DER', 'cRLNumber: the INTEGER is not minimal')
  if ((content[0] as number) >= 0x80)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'cRLNumber is negative (RFC 5280 5.2.3)')
  if (content.length > 20)
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      `cRLNumber has ${content.length} octets; the maximum is 20 (RFC 5280 5.2.3)`,
    )
  return BigInt(`0x${Buffer.from(content).toString('hex')}`)
}

/** @throws ERR_DER, ERR_EXTENSION_MALFORMED */
export function parseReasonCode(der: Uint8Array): CrlReason {
  const reader = new DerReader(der)
  const content = reader.expect(tags.enumerated, 'reasonCode').content()
  reader.finish('reasonCode')
  const reason = content.length === 1 ? crlReasons[content[0] as number] : undefined
  if (reason === undefined)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'reasonCode: the number is not a reason (RFC 5280 5.3.1)')
  return reason
}

/** Milliseconds since the epoch. @throws ERR_DER, ERR_TIME_INVALID */
export function parseInvalidityDate(der: Uint8Array): number {
  const reader = new DerReader(der)
  if (reader.peek() !== tags.generalizedTime)
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'invalidityDate: expected a GeneralizedTime (RFC 5280 5.3.2)',
    )
  const time = readTime(reader, 'invalidityDate')
  reader.finish('invalidityDate')
  return time
}

/** @throws ERR_DER, ERR_NAME_INVALID */
export function parseCertificateIssuer(
  der: Uint8Array,
  tolerances: readonly Tolerance[] = noTolerances,
): readonly GeneralName[] {
  const reader = new DerReader(der)
  reader.expect(tags.sequence, 'certificateIssuer').finish('certificateIssuer')
  return readGeneralNames(reader.inner(), 'certificateIssuer', tolerances)
}

/** DER of a CRL number. */
export function encodeCrlNumber(number: bigint | number): Uint8Array {
  return integer(BigInt(number))
}

/** DER of a reason code. @throws ERR_INVALID_ARGUMENT for an unknown reason */
export function encodeReasonCode(reason: CrlReason): Uint8Array {
  const number = crlReasons.indexOf(reason)
  if (number < 0)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `unknown revocation reason ${JSON.stringify(reason)} (RFC 5280 5.3.1)`,
    )
  return element(tags.enumerated, Uint8Array.of(number))
}

/** DER of an invalidity date. */
export function encodeInvalidityDate(ms: number): Uint8Array {
  return encodeGeneralizedTime(ms)
}
