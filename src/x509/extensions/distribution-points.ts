// Distribution points of certificates and lists (RFC 5280 sections 4.2.1.13, 4.2.1.15, 5.2.5 and 5.2.6).

import {
  DerReader,
  contextConstructed,
  contextPrimitive,
  element,
  explicit,
  namedBits,
  namedBitString,
  readWhole,
  sequence,
  tags,
} from '../../der/index.ts'
import type { DerInput } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { encodeGeneralName } from '../names/general-name-encoder.ts'
import { readGeneralNames } from '../names/general-name-reader.ts'
import type { GeneralName, GeneralNameUse } from '../names/general-name.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { defaultFalse } from './extension.ts'

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

/** The scope of a CRL. */
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
  der: DerInput,
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
    const reasons = reader.optional(contextPrimitive(1), 'reasons') ? namedBits(reader, 'reasons') : undefined
    const crlIssuer = reader.optional(contextConstructed(2), 'cRLIssuer')
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
  const onlySomeReasons = reader.optional(contextPrimitive(3), 'onlySomeReasons')
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
    ...points.map((point) => {
      const { name, reasons, crlIssuer } = readOptions<DistributionPoint>('crlDistributionPoints', point, {
        name: 'optional',
        reasons: 'optional',
        crlIssuer: 'optional',
      })
      return sequence(
        ...encodePointName(name),
        ...(reasons === undefined ? [] : [namedBitString(reasons, contextPrimitive(1))]),
        ...(crlIssuer === undefined ? [] : [explicit(2, ...crlIssuer.map(encodeGeneralName))]),
      )
    }),
  )
}

/** DER of an issuing distribution point. */
export function encodeIssuingDistributionPoint(given: Partial<IssuingDistributionPoint>): Uint8Array {
  const point = readOptions<Partial<IssuingDistributionPoint>>('issuingDistributionPoint', given, {
    name: 'optional',
    onlyContainsUserCerts: 'optional',
    onlyContainsCaCerts: 'optional',
    onlySomeReasons: 'optional',
    indirectCrl: 'optional',
    onlyContainsAttributeCerts: 'optional',
  })
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
  if (!reader.optional(contextConstructed(0), 'distributionPoint')) return undefined
  const inner = reader.inner()
  const tag = inner.next('distributionPoint')
  inner.finish('distributionPoint')
  if (tag === contextConstructed(0))
    return { fullName: readGeneralNames(inner.inner(), 'fullName', tolerances, use) }
  if (tag !== contextConstructed(1))
    throw new PkiError(
      'ERR_DER',
      `distributionPoint: found tag 0x${tag.toString(16)}, expected 0xa0 (fullName) or 0xa1`,
    )
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
