// Extensions about revocation: distribution points, information access, and those of CRLs and their entries
// (RFC 5280 sections 4.2.1.13, 4.2.1.15, 4.2.2, 5.2 and 5.3).

import {
  DerReader,
  contextConstructed,
  contextPrimitive,
  element,
  encodeGeneralizedTime,
  explicit,
  integer,
  namedBits,
  namedBitString,
  oid,
  oidContent,
  readTime,
  readWhole,
  sequence,
  tags,
} from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { defaultFalse } from './extension.ts'
import { encodeGeneralName } from '../names/general-name-encoder.ts'
import { readGeneralName, readGeneralNames } from '../names/general-name-reader.ts'
import type { GeneralName, GeneralNameUse } from '../names/general-name.ts'

/** The name of a distribution point: full names, or the DER of an RDN relative to the CRL issuer's name. */
export type DistributionPointName =
  { readonly fullName: readonly GeneralName[] } | { readonly nameRelativeToCrlIssuer: Uint8Array }

/** Revocation reasons as a bit set, ReasonFlags order: bit 1 keyCompromise … bit 8 aACompromise. */
export type ReasonFlags = number

/** All reasons that ReasonFlags can name (bits 1 to 8). */
export const allReasons: ReasonFlags = 0x1fe

/** One location of a CRL. */
export interface DistributionPoint {
  readonly name: DistributionPointName | undefined
  /** Undefined means all reasons. */
  readonly reasons: ReasonFlags | undefined
  readonly crlIssuer: readonly GeneralName[] | undefined
}

/** What a CRL covers. */
export interface IssuingDistributionPoint {
  readonly name: DistributionPointName | undefined
  readonly onlyContainsUserCerts: boolean
  readonly onlyContainsCaCerts: boolean
  readonly onlySomeReasons: ReasonFlags | undefined
  readonly indirectCrl: boolean
  readonly onlyContainsAttributeCerts: boolean
}

/** @throws ERR_DER, ERR_NAME_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parseDistributionPoints(
  der: Uint8Array,
  what: string,
  tolerances: readonly Tolerance[] = noTolerances,
  use: GeneralNameUse = 'location',
): readonly DistributionPoint[] {
  const list = readWhole(der, tags.sequence, what)
  const points: DistributionPoint[] = []
  while (!list.done) {
    if (points.length >= maxPoints)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `${what}: more than ${String(maxPoints)} distribution points`)
    const reader = list.expect(tags.sequence, 'DistributionPoint').inner()
    const name = readPointName(reader, tolerances, use)
    const reasons = reader.optional(contextPrimitive(1)) ? namedBits(reader, 'reasons') : undefined
    const crlIssuer = reader.optional(contextConstructed(2))
      ? readGeneralNames(reader.inner(), 'cRLIssuer', tolerances)
      : undefined
    reader.finish('DistributionPoint')
    // RFC 5280 4.2.1.13: "a DistributionPoint MUST NOT consist of only the reasons field".
    if (name === undefined && crlIssuer === undefined)
      throw new PkiError(
        'ERR_EXTENSION_MALFORMED',
        `${what}: a distribution point has neither name nor CRL issuer`,
      )
    points.push({ name, reasons, crlIssuer })
  }
  if (points.length === 0)
    throw new PkiError('ERR_EXTENSION_MALFORMED', `${what}: the list is empty (RFC 5280: SIZE (1..MAX))`)
  return points
}

/** @throws ERR_DER, ERR_NAME_INVALID, ERR_EXTENSION_MALFORMED */
export function parseIssuingDistributionPoint(
  der: Uint8Array,
  tolerances: readonly Tolerance[] = noTolerances,
): IssuingDistributionPoint {
  const optionalFlag = (from: DerReader, n: number, what: string): boolean =>
    defaultFalse(from, contextPrimitive(n), what, tolerances, 'issuingDistributionPoint')
  const reader = readWhole(der, tags.sequence, 'issuingDistributionPoint')
  const name = readPointName(reader, tolerances)
  const onlyContainsUserCerts = optionalFlag(reader, 1, 'onlyContainsUserCerts')
  const onlyContainsCaCerts = optionalFlag(reader, 2, 'onlyContainsCACerts')
  const onlySomeReasons = reader.optional(contextPrimitive(3))
    ? namedBits(reader, 'onlySomeReasons')
    : undefined
  const indirectCrl = optionalFlag(reader, 4, 'indirectCRL')
  const onlyContainsAttributeCerts = optionalFlag(reader, 5, 'onlyContainsAttributeCerts')
  reader.finish('issuingDistributionPoint')
  const onlyFlags =
    Number(onlyContainsUserCerts) + Number(onlyContainsCaCerts) + Number(onlyContainsAttributeCerts)
  if (onlyFlags > 1)
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'issuingDistributionPoint: more than one onlyContains flag (RFC 5280 5.2.5)',
    )
  // RFC 5280 5.2.5: "Conforming CRLs issuers MUST NOT issue CRLs where the DER
  // encoding of the IDP is an empty sequence."
  if (reader.end === reader.bytes.length && der.length === 2)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'issuingDistributionPoint is empty')
  return {
    name,
    onlyContainsUserCerts,
    onlyContainsCaCerts,
    onlySomeReasons,
    indirectCrl,
    onlyContainsAttributeCerts,
  }
}

/** DER of distribution points. */
export function encodeDistributionPoints(points: readonly DistributionPoint[]): Uint8Array {
  return sequence(
    ...points.map(({ name, reasons, crlIssuer }) =>
      sequence(
        ...encodePointName(name),
        ...(reasons === undefined ? [] : [namedBitString(reasons, contextPrimitive(1))]),
        ...(crlIssuer === undefined ? [] : [explicit(2, ...crlIssuer.map(encodeGeneralName))]),
      ),
    ),
  )
}

/** DER of an issuing distribution point. */
export function encodeIssuingDistributionPoint(point: Partial<IssuingDistributionPoint>): Uint8Array {
  const flag = (n: number, set: boolean | undefined): Uint8Array[] =>
    set === true ? [element(contextPrimitive(n), Uint8Array.of(0xff))] : []
  return sequence(
    ...encodePointName(point.name),
    ...flag(1, point.onlyContainsUserCerts),
    ...flag(2, point.onlyContainsCaCerts),
    ...(point.onlySomeReasons === undefined
      ? []
      : [namedBitString(point.onlySomeReasons, contextPrimitive(3))]),
    ...flag(4, point.indirectCrl),
    ...flag(5, point.onlyContainsAttributeCerts),
  )
}

function readPointName(
  reader: DerReader,
  tolerances: readonly Tolerance[],
  use: GeneralNameUse = 'location',
): DistributionPointName | undefined {
  if (!reader.optional(contextConstructed(0))) return undefined
  const inner = reader.inner()
  const tag = inner.next()
  inner.finish('distributionPoint')
  if (tag === contextConstructed(0))
    return { fullName: readGeneralNames(inner.inner(), 'fullName', tolerances, use) }
  if (tag !== contextConstructed(1))
    throw new PkiError('ERR_DER', `distributionPoint: unexpected tag 0x${tag.toString(16)}`)
  const rdn = inner.content()
  if (rdn.length === 0)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'nameRelativeToCRLIssuer: the name has no attribute')
  const attributes = inner.inner()
  while (!attributes.done) attributes.expect(tags.sequence, 'nameRelativeToCRLIssuer')
  return { nameRelativeToCrlIssuer: element(tags.set, rdn) }
}

function encodePointName(name: DistributionPointName | undefined): Uint8Array[] {
  if (name === undefined) return []
  if ('fullName' in name) return [explicit(0, explicit(0, ...name.fullName.map(encodeGeneralName)))]
  const set = new DerReader(name.nameRelativeToCrlIssuer)
  return [explicit(0, explicit(1, set.expect(tags.set, 'nameRelativeToCRLIssuer').content()))]
}

const maxPoints = 1000

/** A location and its access method: `1.3.6.1.5.5.7.48.1` OCSP, `1.3.6.1.5.5.7.48.2` issuer certificates. */
export interface AccessDescription {
  readonly method: string
  readonly location: GeneralName
}

/** @throws ERR_DER, ERR_OID_INVALID, ERR_NAME_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parseInfoAccess(
  der: Uint8Array,
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
    const method = oidContent(reader.expect(tags.oid, 'accessMethod'))
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
      `cRLNumber has ${content.length} octets; at most 20 are allowed (RFC 5280 5.2.3)`,
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
